"""Looks at the near side of a project: a folder of this machine, or another remote.

Changes nothing anywhere. Rules that lie in the project are taught to the matcher on the way.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from msgspec import Struct

from bm_sync.engine.behind import store_of, tree_of
from bm_sync.engine.distant import Store
from bm_sync.engine.identity import joined, key_before_link
from bm_sync.engine.jail import Identity
from bm_sync.engine.listed import compared, list_far, looked_again
from bm_sync.engine.place import apart
from bm_sync.engine.site import Site
from bm_sync.engine.walk import IGNORE_FILE, MAX_IGNORE_BYTES, walk_aside
from bm_sync.errors import BmSyncError
from bm_sync.filters.matcher import Matcher
from bm_sync.filters.rules import BadPattern
from bm_sync.filters.sift import refilter
from bm_sync.model.config import FolderRemote, Project
from bm_sync.model.tree import Baseline, Root, Side, Tree
from bm_sync.rclone.remotes import Fs
from bm_sync.structs import replace


class Near(Struct, frozen=True):
    """The near side; one of `folder`, its real path, and `store` is set.

    `ignore_files` are the folders whose .gitignore was read, `private` files as `Walked` has them.
    """

    tree: Tree
    ignore_files: Collection[str]
    bad: tuple[BadPattern, ...]
    via_link: bool = False
    folder: Path | None = None
    store: Store | None = None
    identity: Identity | None = None
    private: tuple[str, ...] = ()


async def near_folder(project: Project, matcher: Matcher, site: Site) -> Near:
    """Walk the local folder; raises BmSyncError when it cannot be read."""
    assert project.local is not None  # noqa: S101 - the caller asked
    filters = project.filters
    walked = await walk_aside(
        project.local, matcher, gitignore=filters.gitignore, links=filters.links
    )
    tree = walked.tree
    if walked.via_link and site.state.project(key_before_link(project)).baseline.known:
        tree = replace(tree, root=Root.SYMLINK)  # it was a folder last time
    real = walked.real or _real(project.local)
    return Near(
        tree,
        walked.ignore_files.keys(),
        walked.bad,
        walked.via_link,
        folder=real,
        identity=walked.identity,
        private=walked.private,
    )


def _real(folder: Path) -> Path:
    return Path(os.path.realpath(folder))


async def near_store(
    there: Project, matcher: Matcher, site: Site, baseline: Baseline, *, by_folder: bool = False
) -> Near:
    """List the other remote of a project, `there` being the project as that would declare it.

    Raises BmSyncError when it cannot be read, or is no project of its workspace.
    """
    remote = there.remote
    assert remote is not None and not isinstance(remote, FolderRemote)  # noqa: S101, PT018
    listed = await list_far(there, site, by_folder=by_folder)
    assert listed is not None  # noqa: S101 - it is no folder of this machine
    if not baseline.known and not by_folder:
        listed = await compared(there, listed, site)
    elif not listed.listing.entries and baseline.files:
        listed = await looked_again(there, listed, site)
    if listed.place.absent:
        raise BmSyncError(
            f"there is no project '{there.path}' on {remote.name}, which it should be from",
            hint="bm-sync cloud projects lists what is there",
        )
    listed = replace(listed, place=apart(listed.place, remote))
    store = store_of(listed, remote, site, there.policy.retry)
    tree = tree_of(listed, matcher, Side.LOCAL)
    if not there.filters.gitignore:
        return Near(tree, (), (), store=store)
    texts = await _texts(_rules_in(tree), store.fs, site, there)
    learnt, bad = _taught(texts, there, matcher)
    return Near(refilter(tree, matcher), learnt, bad, store=store)


def _rules_in(tree: Tree) -> list[str]:
    """Return the .gitignore files of a side, outer folders first."""
    found = [
        path
        for path, file in tree.files.items()
        if path.rpartition("/")[2] == IGNORE_FILE and file.size <= MAX_IGNORE_BYTES
    ]
    return sorted(found, key=lambda path: (path.count("/"), path))


async def _texts(paths: Collection[str], fs: Fs, site: Site, there: Project) -> Mapping[str, str]:
    """Download small files at once; return their texts by path, in the order given.

    What has gone meanwhile is left out; raises BmSyncError when the remote does not answer.
    """
    if not paths:
        return {}
    with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
        here = site.rclone.local(Path(scratch))

        async def fetch() -> None:
            result = await site.rclone.copy_batch(fs, here, paths)
            if result.fault is not None:
                raise result.fault

        await site.patiently(there.policy.retry, fetch)
        places = {path: Path(scratch) / path for path in paths}
        return {
            path: place.read_bytes().decode(errors="surrogateescape")
            for path, place in places.items()
            if place.is_file()
        }


def _taught(
    texts: Mapping[str, str], there: Project, matcher: Matcher
) -> tuple[tuple[str, ...], tuple[BadPattern, ...]]:
    """Teach the matcher rules of folders that those above do not exclude, as git does."""
    name = there.remote.name if there.remote else ""
    learnt: list[str] = []
    bad: tuple[BadPattern, ...] = ()
    for path, text in texts.items():
        folder = path.rpartition("/")[0]
        if folder and matcher.excluded(folder, is_dir=True):
            continue
        shown = f"{name}:{joined(there.path, path)}"
        bad += matcher.add_ignore_file(folder, text, shown)
        learnt.append(folder)
    return tuple(learnt), bad

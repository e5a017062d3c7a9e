"""Looks at both sides of a project and at what is remembered of it. Changes nothing anywhere."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from bm_sync.engine.contents import FALLBACK
from bm_sync.engine.distant import Store
from bm_sync.engine.identity import joined, key_before_link, project_key
from bm_sync.engine.jail import BlockedError, Jail
from bm_sync.engine.listed import Listed, list_far, looked_again, reach
from bm_sync.engine.site import Site
from bm_sync.engine.walk import IGNORE_FILE, MAX_IGNORE_BYTES, Walked, walk, walk_aside
from bm_sync.filters.matcher import Matcher
from bm_sync.filters.rules import BadPattern
from bm_sync.filters.sift import mark_above, oversize, refilter, sift, without
from bm_sync.model.config import FolderRemote, Project
from bm_sync.model.tree import (
    Baseline,
    File,
    FilterChange,
    ObjectStamp,
    Observation,
    Problem,
    ProblemKind,
    Root,
    Side,
    Tree,
)
from bm_sync.state.values import HashMemory, Remembered


@dataclass(frozen=True, slots=True)
class Seen:
    """A project with what was seen of it.

    `remote_folder` is set for a folder remote, `store` for every other. `algorithm` is the content
    hash its sides are compared by. `absent`: the cloud has no such project. `fresh` are versions
    that neither side holds yet, by path: merged, or given by a person.
    """

    project: Project
    key: str
    observation: Observation
    remembered: Remembered
    matcher: Matcher
    via_link: bool
    local_root: Path
    remote_folder: Path | None
    store: Store | None
    algorithm: str
    bad_patterns: tuple[BadPattern, ...] = ()
    hashed: HashMemory = field(default_factory=dict)
    absent: bool = False
    fresh: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Far:
    """The remote side."""

    tree: Tree
    folder: Path | None = None
    store: Store | None = None


async def observe(project: Project, site: Site) -> Seen:
    """Look at both sides; raises BmSyncError when one cannot be read at all."""
    assert project.local is not None and project.remote is not None  # noqa: S101, PT018
    key = project_key(project)
    matcher = Matcher(project.filters)
    await reach(project, site)
    asked = asyncio.create_task(list_far(project, site))
    try:
        # the remote lists while we read here; the walk comes first, as it leaves the loop free
        near = await walk_aside(
            project.local,
            matcher,
            gitignore=project.filters.gitignore,
            links=project.filters.links,
        )
        remembered = site.state.project(key)
        listed = await asked
        if listed is not None and not listed.listing.entries and remembered.baseline.files:
            listed = await looked_again(project, listed, site)
    finally:
        asked.cancel()
    local = _checked_root(near, project, site)
    far = _far(project, listed, matcher, site)
    bad = near.bad
    learnt = await _remote_ignore_files(project, site, far, near, remembered.baseline)
    for folder, text in learnt.items():
        shown = f"{project.remote.name}:{joined(project.path, folder)}/{IGNORE_FILE}"
        bad += matcher.add_ignore_file(folder, text, shown)
    remote = far.tree
    if learnt:
        local, remote = refilter(local, matcher), refilter(remote, matcher)
    large = oversize(local, remote, project.filters.max_size)
    if large:
        local, remote = without(local, large), without(remote, large)
    hidden = _hidden_rows(remembered.baseline, matcher, local, remote, large)
    change = _filter_change(remembered, matcher, local, remote, hidden)
    baseline = _without_rows(remembered.baseline, hidden)
    return Seen(
        project=project,
        key=key,
        observation=Observation(local, remote, baseline, change),
        remembered=remembered,
        matcher=matcher,
        via_link=near.via_link,
        local_root=_real(project.local),
        remote_folder=far.folder,
        store=far.store,
        algorithm=_algorithm(far.store),
        absent=listed is not None and listed.place.absent,
        bad_patterns=bad,
    )


def _real(folder: Path) -> Path:
    return Path(os.path.realpath(folder))


def _checked_root(near: Walked, project: Project, site: Site) -> Tree:
    """Return the local tree; a root that became a symbolic link since last time says so."""
    if near.via_link and site.state.project(key_before_link(project)).baseline.known:
        return replace(near.tree, root=Root.SYMLINK)
    return near.tree


async def far_side(project: Project, matcher: Matcher, site: Site) -> Tree:
    """Return the remote side alone, filtered by the rules the matcher knows."""
    return _far(project, await list_far(project, site), matcher, site).tree


def _far(project: Project, listed: Listed | None, matcher: Matcher, site: Site) -> _Far:
    """Return the remote side, filtered by the rules known so far."""
    remote = project.remote
    if isinstance(remote, FolderRemote):
        folder = remote.root / project.path
        walked = walk(
            folder, matcher, gitignore=False, links=project.filters.links, side=Side.REMOTE
        )
        return _Far(walked.tree, folder=_real(folder))
    assert listed is not None and remote is not None  # noqa: S101, PT018 - see `list_far`
    place, entries = listed.place, listed.listing.entries
    files = {
        e.path: File(ObjectStamp(e.size, e.content, e.mtime_ns, e.tag), e.content, e.mtime_ns)
        for e in entries
        if not e.is_dir
    }
    tree = sift(
        files,
        [e.path for e in entries if e.is_dir],
        matcher,
        side=Side.REMOTE,
        has_folders=place.features.has_folders,
    )
    names = tuple(
        Problem(n, Side.REMOTE, ProblemKind.NAME, "no file of this machine can have this name")
        for n in listed.listing.unusable
    )
    closed = [n for n in listed.listing.unreadable if not matcher.excluded(n, is_dir=True)]
    unreadable = tuple(
        Problem(n, Side.REMOTE, ProblemKind.UNREADABLE, "the folder may not be listed")
        for n in closed
    )
    tree = replace(
        tree,
        dirs=mark_above({**tree.dirs, **dict.fromkeys(closed, True)}, closed),
        root=listed.root,
        case_insensitive=place.features.case_insensitive,
        can_delete=place.features.can_delete,
        problems=tree.problems + names + unreadable,
    )
    store = Store(
        fs=place.fs,
        base=place.base,
        features=place.features,
        names=files.keys(),
        conditions=lambda: site.conditions(remote, place.base, project.policy.retry),
        litter=tuple(p for p in files if p.endswith(site.partial_suffix)),
    )
    return _Far(tree, store=store)


async def _remote_ignore_files(
    project: Project, site: Site, far: _Far, near: Walked, baseline: Baseline
) -> dict[str, str]:
    """Read the .gitignore files that only the remote holds and that were not deleted here."""
    if not project.filters.gitignore:
        return {}
    found: dict[str, str] = {}
    for path, file in far.tree.files.items():
        folder, _, name = path.rpartition("/")
        if name != IGNORE_FILE or folder in near.ignore_files or path in baseline.files:
            continue
        if path in near.tree.files or file.size > MAX_IGNORE_BYTES:
            continue
        text = await _read(path, far, site)
        if text is not None:
            found[folder] = text
    return found


async def _read(path: str, far: _Far, site: Site) -> str | None:
    """Return the text of a small file of the remote side."""
    if far.folder is not None:
        with suppress(OSError, BlockedError), os.fdopen(Jail(far.folder).open(path), "rb") as file:
            return file.read(MAX_IGNORE_BYTES).decode(errors="surrogateescape")
        return None
    assert far.store is not None  # noqa: S101 - one of both is set
    with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
        here = site.rclone.local(Path(scratch))
        await site.rclone.copy_file(far.store.fs, path, here, "text")
        return (Path(scratch) / "text").read_bytes().decode(errors="surrogateescape")


def _hidden_rows(
    baseline: Baseline, matcher: Matcher, local: Tree, remote: Tree, large: Collection[str]
) -> frozenset[str]:
    """Return the rows that the filters hide now; what a tree shows is not hidden."""
    files = (p for p in baseline.files if p not in local.files and p not in remote.files)
    dirs = (p for p in baseline.dirs if p not in local.dirs and p not in remote.dirs)
    return frozenset(p for p in files if p in large or matcher.excluded(p, is_dir=False)) | (
        frozenset(p for p in dirs if matcher.excluded(p, is_dir=True))
    )


def _without_rows(baseline: Baseline, hidden: Collection[str]) -> Baseline:
    if not hidden:
        return baseline
    return replace(
        baseline,
        files={p: row for p, row in baseline.files.items() if p not in hidden},
        dirs=baseline.dirs - frozenset(hidden),
    )


def _filter_change(
    remembered: Remembered, matcher: Matcher, local: Tree, remote: Tree, hidden: Collection[str]
) -> FilterChange:
    """Return what entered and what left the set since the last run."""
    if remembered.filters is None or remembered.filters == matcher.snapshot():
        return FilterChange()
    before = Matcher.from_snapshot(remembered.filters)
    shown = local.files.keys() | remote.files.keys()
    return FilterChange(
        enters=tuple(sorted(p for p in shown if before.excluded(p, is_dir=False))),
        leaves=tuple(
            sorted(
                p
                for p in hidden
                if p in remembered.baseline.files and not before.excluded(p, is_dir=False)
            )
        ),
    )


def _algorithm(store: Store | None) -> str:
    if store is None:
        return FALLBACK
    return store.features.hash or store.features.slow_hash or FALLBACK

"""`import bisync-state`: the memory of a project from the listings of an earlier rclone bisync.

So nobody who comes from bisync starts with a union: what was deleted since is a deletion, under the
guards. The listings are read and never changed; no file is touched on either side.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bm_sync import files
from bm_sync.engine.bisync_find import find
from bm_sync.engine.bisync_learn import Lesson, Listings, learn, untimed
from bm_sync.engine.observe import Seen, observe
from bm_sync.engine.site import Site
from bm_sync.errors import BmSyncError, UsageError
from bm_sync.model.config import Placement, Project
from bm_sync.model.learnt import Learnt
from bm_sync.model.tree import Root, Side, Tree
from bm_sync.rclone.bisync_listing import Listing, read
from bm_sync.state.values import Change
from bm_sync.structs import replace

_MAX_BYTES = 1 << 29


async def import_bisync_state(
    project: Project, site: Site, *, folder: Path | None, replace_memory: bool
) -> Learnt:
    """Learn what both sides of a project agreed on when bisync last ran.

    `folder` is where the listings are, None for the usual places. The caller holds the project.
    Raises UsageError when there are no listings to believe, or when the project has a memory
    already and `replace_memory` is not set; BmSyncError when a side cannot be looked at.
    """
    if project.placement is not Placement.SYNCED:
        what = f"project {project.name} has one side only; there is nothing to agree on"
        raise UsageError(what)
    if project.local is None:
        what = f"project {project.name} joins two remotes; the listings of bisync name a folder"
        raise UsageError(what)
    session = find(project, folder, site.setup.env)
    env = site.setup.env
    local, remote = _read(session.local, env), _read(session.remote, env)
    seen = await observe(project, site)
    known = seen.remembered.baseline.known
    if known and not replace_memory:
        hint = "--replace forgets it first; bm-sync plan shows what it makes of both sides"
        raise UsageError(f"project {project.name} has a memory already", hint=hint)
    for side in Side:
        _require(seen.observation.tree(side), side, project)
    listings = Listings(local, remote, _window_ns(seen))
    lesson = learn(listings, seen.observation.local, await _timed(seen, listings, site))
    _remember(seen, lesson, site, forget=known)
    return Learnt(
        project=project.name,
        listings=(session.local, session.remote),
        files=lesson.files,
        left_out=lesson.left_out,
        damaged=local.odd + remote.odd,
        replaced=known,
    )


def _read(file: Path, env: Mapping[str, str]) -> Listing:
    shown = ascii(str(file))[1:-1]
    try:
        listing = read(files.read(file, _MAX_BYTES, env))
    except OSError as e:
        raise UsageError(f"cannot read {shown}: {e.strerror}") from e
    if listing is None:
        raise UsageError(f"{shown} is no listing of rclone bisync")
    return listing


def _require(tree: Tree, side: Side, project: Project) -> None:
    """Raise BmSyncError when a side is not there: every file would look deleted."""
    if tree.root is not Root.FOLDER:
        what = f"the {side} side of project {project.name} is not there; nothing can be compared"
        raise BmSyncError(what, hint="mount it, or check its name, and run this again")


def _window_ns(seen: Seen) -> int:
    """Return how far two times of one version may be apart (rclone's modify window)."""
    return max(1, seen.store.features.mtime_precision_ns) if seen.store is not None else 1


async def _timed(seen: Seen, listings: Listings, site: Site) -> Tree:
    """Return the remote tree with the times that are needed; on a bucket one request for each."""
    tree, store = seen.observation.remote, seen.store
    wanted = untimed(listings, tree)
    if store is None or not wanted:
        return tree
    found = await site.patiently(
        seen.project.policy.retry,
        lambda: site.rclone.list_some(
            store.fs, wanted, features=store.features, mtime=True, content=False
        ),
    )
    timed = {
        path: tree.files[path]._replace(mtime_ns=entry.mtime_ns) for path, entry in found.items()
    }
    return replace(tree, files={**tree.files, **timed})


def _remember(seen: Seen, lesson: Lesson, site: Site, *, forget: bool) -> None:
    if forget:
        site.state.forget(seen.key)
    site.state.record(
        seen.key,
        Change(
            project=seen.project.name,
            put=lesson.put,
            put_dirs=lesson.folders,
            filters=seen.matcher.snapshot(),
            via_link=seen.via_link,
        ),
    )

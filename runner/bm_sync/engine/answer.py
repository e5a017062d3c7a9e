"""Answers the planner's questions: hashes files, asks the remote, remembers what was hashed.

Reads only; what is hashed here is written into the state by a later apply.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from bm_sync.engine import contents
from bm_sync.engine.digests import digests, read_again
from bm_sync.engine.distant import Store
from bm_sync.engine.jail import Jail
from bm_sync.engine.observe import Seen
from bm_sync.engine.site import Site
from bm_sync.model.config import Compare, Policy
from bm_sync.model.tree import Agreed, File, FileStamp, Side, Stamp, Tree
from bm_sync.plan import diff
from bm_sync.structs import replace

_SAMPLE = 3

_Hashed = dict[tuple[Side, str], tuple[Stamp, str]]


async def answer(seen: Seen, policy: Policy, site: Site) -> Seen:
    """Return what was seen with every content and time that the plan needs to know."""
    for side, paths in diff.doubtful(seen.observation, policy).items():
        seen = await _read_again(seen, side, paths, site)
    asked = diff.questions(seen.observation, policy)
    foreign = diff.incomparable(seen.observation, policy) if seen.near is not None else frozenset()
    seen = await told_of(seen, asked.local | foreign, asked.remote, site)
    for side in Side:
        store = seen.store_on(side)
        times = diff.needs_mtime(seen.observation, policy, side) if store is not None else ()
        if times and store is not None:
            seen = _with_times(seen, side, await _times(seen, store, times, site))
    return seen


async def _read_again(seen: Seen, side: Side, paths: Sequence[str], site: Site) -> Seen:
    """Return what was seen with the real contents of files that the server seems to misname.

    A few are read first. Where none of these is what was agreed on, they have really changed.
    """
    store, tree = seen.store_on(side), seen.observation.tree(side)
    assert store is not None  # noqa: S101 - only a remote lists digests
    rows, retry = seen.observation.baseline.files, seen.project.policy.retry
    agreed = {path: rows[path].content or "" for path in paths}
    told: dict[str, str] = {}
    for some in (paths[:_SAMPLE], paths[_SAMPLE:]):
        wanted = {path: agreed[path].partition(":")[0] for path in some}
        told |= await read_again(store, wanted, tree.files, site, retry)
        if not any(content == agreed[path] for path, content in told.items()):
            return seen
    store.on_opaque()
    return _with(seen, side, told)


async def told_of(seen: Seen, local: Collection[str], remote: Collection[str], site: Site) -> Seen:
    """Return what was seen with the contents of these paths of each side, as far as they are."""
    hashed: _Hashed = dict(seen.hashed)
    if remote:
        told = await _contents(seen, Side.REMOTE, remote, site, hashed)
        seen = _with(seen, Side.REMOTE, told)
    if local:
        told = await _contents(seen, Side.LOCAL, local, site, hashed)
        seen = _with(seen, Side.LOCAL, told)
    return replace(seen, hashed=hashed)


async def _contents(
    seen: Seen, side: Side, paths: Collection[str], site: Site, hashed: _Hashed
) -> Mapping[str, str]:
    if seen.store_on(side) is None:
        return await _folder_contents(seen, side, paths, site, hashed)
    if seen.near is None:
        return await _remote_contents(seen, paths, site, hashed)
    return await _pair_contents(seen, side, paths, site, hashed)


async def _pair_contents(
    seen: Seen, side: Side, paths: Collection[str], site: Site, hashed: _Hashed
) -> Mapping[str, str]:
    """Return contents of a side of two remotes, in the algorithm that the other side tells."""
    store, files = seen.store_on(side), seen.observation.tree(side).files
    assert store is not None  # noqa: S101 - the caller asked
    told: dict[str, str] = {}
    wanted: dict[str, str] = {}
    for path in paths:
        algorithm = _algorithm_for(seen, side, path)
        known = _remembered(seen, side, path, algorithm)
        if known is None:
            wanted[path] = algorithm
        else:
            told[path] = known
    if wanted:
        told |= await digests(store, wanted, files, site, seen.project.policy.retry)
    for path, content in told.items():
        hashed[side, path] = files[path].stamp, content
    return told


async def _remote_contents(
    seen: Seen, paths: Collection[str], site: Site, hashed: _Hashed
) -> Mapping[str, str]:
    store, told, left = seen.store, {}, []
    assert store is not None  # noqa: S101 - the caller asked
    rows, files = seen.observation.baseline.files, seen.observation.remote.files
    wanted: dict[str, str] = {}
    for path in paths:
        known = _remembered(seen, Side.REMOTE, path)
        algorithm = _agreed_algorithm(rows.get(path))
        if known is not None:
            told[path] = known
        elif algorithm is not None:
            wanted[path] = algorithm
        else:
            left.append(path)
    if wanted:
        told |= await digests(store, wanted, files, site, seen.project.policy.retry)
    if left:
        with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
            told |= await site.patiently(
                seen.project.policy.retry,
                lambda: site.rclone.contents(
                    store.fs, left, features=store.features, scratch=Path(scratch)
                ),
            )
    for path, content in told.items():
        hashed[Side.REMOTE, path] = seen.observation.remote.files[path].stamp, content
    return told


async def _folder_contents(
    seen: Seen, side: Side, paths: Collection[str], site: Site, hashed: _Hashed
) -> Mapping[str, str]:
    root = seen.folder_on(side)
    assert root is not None  # noqa: S101 - only asked of folders
    jail = seen.jail(root, links=seen.project.filters.links)
    jail.hold()
    told: dict[str, str] = {}
    for path in sorted(paths):
        stamp = seen.observation.tree(side).files[path].stamp
        algorithm = _algorithm_for(seen, side, path)
        content = _remembered(seen, side, path, algorithm)
        if content is None:
            content = await _digest(jail, path, algorithm, stamp, site)
        if content is not None:
            told[path] = content
            hashed[side, path] = stamp, content
    return told


async def _digest(jail: Jail, path: str, algorithm: str, stamp: Stamp, site: Site) -> str | None:
    """Return the content of the version that was seen; None when it has changed since."""
    if contents.computable(algorithm):
        read = await contents.digest(jail, path, algorithm)
        return read[1] if read is not None and read[0] == stamp else None
    content = await site.hash_by_rclone(jail, path, algorithm)
    return content if isinstance(stamp, FileStamp) and jail.look(path) == stamp else None


def _agreed_algorithm(row: Agreed | None) -> str | None:
    """Return the algorithm in which a version can be compared with the one agreed on."""
    algorithm = (row.content or "").partition(":")[0] if row is not None else ""
    return algorithm if contents.computable(algorithm) else None


def _algorithm_for(seen: Seen, side: Side, path: str) -> str:
    """Return the algorithm that can be compared: the other side's, the baseline's, our own."""
    other = seen.observation.tree(side.other).files.get(path)
    row = seen.observation.baseline.files.get(path)
    for content in (other and other.content, row and row.content):
        if content:
            return content.partition(":")[0]
    return seen.algorithm


def _remembered(seen: Seen, side: Side, path: str, algorithm: str | None = None) -> str | None:
    """Return a content hashed by an earlier run for the very same stamp."""
    if seen.project.policy.compare is Compare.FULL:
        return None
    known = seen.remembered.memory.get((side, path))
    if known is None or known[0] != seen.observation.tree(side).files[path].stamp:
        return None
    same = algorithm is None or known[1].startswith(f"{algorithm}:")
    return known[1] if same else None


async def _times(seen: Seen, store: Store, paths: Iterable[str], site: Site) -> Mapping[str, int]:
    found = await site.patiently(
        seen.project.policy.retry,
        lambda: site.rclone.list_some(
            store.fs, sorted(paths), features=store.features, mtime=True, content=False
        ),
    )
    return {p: e.mtime_ns for p, e in found.items() if e.mtime_ns is not None}


def _with(seen: Seen, side: Side, told: Mapping[str, str]) -> Seen:
    tree = seen.observation.tree(side)
    changed = {p: tree.files[p]._replace(content=c) for p, c in told.items()}
    return _replaced(seen, side, tree, changed)


def _with_times(seen: Seen, side: Side, told: Mapping[str, int]) -> Seen:
    tree = seen.observation.tree(side)
    changed = {p: tree.files[p]._replace(mtime_ns=t) for p, t in told.items()}
    return _replaced(seen, side, tree, changed)


def _replaced(seen: Seen, side: Side, tree: Tree, changed: Mapping[str, File]) -> Seen:
    filled = replace(tree, files={**tree.files, **changed})
    was = seen.observation
    local = filled if side is Side.LOCAL else was.local
    remote = filled if side is Side.REMOTE else was.remote
    observation = replace(was, local=local, remote=remote)
    return replace(seen, observation=observation)

"""Settles a conflict as a person says, and shows both versions of one."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from bm_sync import layout
from bm_sync.engine.answer import answer
from bm_sync.engine.contents import computable
from bm_sync.engine.deadline import within
from bm_sync.engine.identity import at_source, project_key
from bm_sync.engine.jail import BlockedError, Jail
from bm_sync.engine.keepers import keepers_unseen
from bm_sync.engine.left_alone import screened
from bm_sync.engine.observe import observe
from bm_sync.engine.prepare import Prepared, Wants, failed, intent
from bm_sync.engine.site import Site
from bm_sync.engine.versions import versions
from bm_sync.errors import BmSyncError, UsageError
from bm_sync.model.config import FolderRemote, Project
from bm_sync.model.report import OpenConflict, Sides
from bm_sync.model.tree import Side
from bm_sync.plan import resolve
from bm_sync.plan.resolve import Choice, Keep
from bm_sync.structs import replace

SHOWN_AT_MOST = 1 << 20
_CANDIDATES = 20  # kept versions that are looked through for the one last agreed on


def find(project: Project, path: str, site: Site) -> OpenConflict:
    """Return the open conflict at a path, or of which it is the copy; raises UsageError."""
    known = site.state.conflicts(project_key(project))
    for conflict in known:
        if path in (conflict.path, conflict.kept):
            return conflict
    hint = f"open are: {', '.join(c.path for c in known)}" if known else "bm-sync conflicts"
    raise UsageError(f"no conflict is open at {path} in project {project.name}", hint=hint)


async def prepare(
    project: Project, conflict: OpenConflict, keep: Keep, given: bytes | None, site: Site
) -> Prepared:
    """Plan to settle a conflict."""
    try:
        async with within(project.policy.limits.timeout_s):
            seen = await observe(project, site)
            choice = Choice(conflict, keep)
            wants = intent(project, site, Wants())
            seen = await answer(seen, resolve.deciding(wants, choice).policy, site)
    except BmSyncError as e:
        return Prepared(project, failed(project, site, e), partial=True)
    if given is not None:
        place = f"{layout.NEW}/{conflict.path}"
        digest = _digest(given, seen.algorithm)
        choice = Choice(conflict, keep, place, len(given), digest)
        seen = replace(seen, fresh={conflict.path: given})
    plan = resolve.make(project.name, seen.key, seen.observation, wants, choice)
    plan = screened(plan, seen.matcher, seen.observation, wants)
    return Prepared(project, plan, seen, partial=True)


def _digest(data: bytes, algorithm: str) -> str | None:
    if not computable(algorithm):
        return None
    return f"{algorithm}:{hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()}"


def settle(project: Project, conflict: OpenConflict, site: Site) -> None:
    """Note that a conflict needs nobody any more."""
    key = project_key(project)
    known = site.state.conflicts(key)
    site.state.put_conflicts(key, tuple(c for c in known if c != conflict))


async def sides(project: Project, conflict: OpenConflict, site: Site) -> Sides:
    """Read both versions of a conflict, and the one last agreed on when it is still kept."""
    base = await _base(project, conflict, site)
    if conflict.kept is None:
        names = {Side.LOCAL: conflict.path, Side.REMOTE: conflict.path}
        here = await _here(project, conflict.path, site)
        there = await _there(project, conflict.path, site)
        return Sides(conflict, here, there, base, names)
    named = conflict.winner or Side.REMOTE
    names = {named: conflict.path, named.other: conflict.kept}
    texts = {side: await _here(project, name, site) for side, name in names.items()}
    return Sides(conflict, texts[Side.LOCAL], texts[Side.REMOTE], base, names)


async def _here(project: Project, path: str, site: Site) -> bytes | None:
    near = at_source(project)
    if near is not None:
        return await _there(near, path, site)
    return None if project.local is None else _small(project.local.resolve(), path)


def _small(root: Path, path: str) -> bytes | None:
    try:
        with open(Jail(root).open(path), "rb") as file:  # noqa: PTH123 - a descriptor
            data = file.read(SHOWN_AT_MOST + 1)
    except (OSError, BlockedError):
        return None
    return data if len(data) <= SHOWN_AT_MOST else None


async def _there(project: Project, path: str, site: Site) -> bytes | None:
    if project.remote is None:
        return None
    if isinstance(project.remote, FolderRemote):
        return _small((project.remote.root / project.path).resolve(), path)
    place = await site.place(project)
    entry = await site.rclone.stat(place.fs, path)
    if entry is None or entry.is_dir or entry.size > SHOWN_AT_MOST:
        return None
    with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
        here = site.rclone.local(Path(scratch))
        await site.rclone.copy_file(place.fs, path, here, "version")
        return (Path(scratch) / "version").read_bytes()


async def _base(project: Project, conflict: OpenConflict, site: Site) -> bytes | None:
    """Return the version last agreed on, found in the trash by its digest."""
    if conflict.base is None:
        return None
    keepers = await keepers_unseen(project, site)
    algorithm = conflict.base.partition(":")[0]
    for version in (await versions(project, conflict.path, site))[:_CANDIDATES]:
        keeper = keepers[version.side]
        if version.size > SHOWN_AT_MOST:
            continue
        if await keeper.content(version.place, algorithm) != conflict.base:
            continue
        with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
            copy = Path(scratch) / "version"
            await keeper.fetch(version.place, copy)
            return copy.read_bytes()
    return None

"""Tells who holds projects, and removes the leases of dead runs after asking."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence

from msgspec import Struct

from bm_sync.engine.identity import project_key, remote_label
from bm_sync.engine.lease_claim import Standing, standing
from bm_sync.engine.lease_note import Note, encode
from bm_sync.engine.lease_place import DistantPlace, FolderPlace, LeasePlace
from bm_sync.engine.patience import Patience
from bm_sync.engine.record import iso
from bm_sync.engine.site import Site
from bm_sync.errors import BmSyncError, Exit, LockedError
from bm_sync.model.config import FolderRemote, Lease, Placement, Project
from bm_sync.model.holding import Holding, LeaseHolder, LockHolder
from bm_sync.model.run import Event
from bm_sync.state.leases import LeaseMemory
from bm_sync.state.lock import Owner, hold, owner_of
from bm_sync.structs import replace

_STEP_S = 2.0


class Wants(Struct, frozen=True):
    """Who is asked before a lease is removed, and who is told what is waited for.

    `named`: the projects were named, so a lease is looked for whatever their policy says.
    """

    confirm: Callable[[str, LeaseHolder], bool]
    on_event: Callable[[Event], None]
    named: bool


async def unlock_all(projects: Sequence[Project], site: Site, wants: Wants) -> tuple[Holding, ...]:
    """Look at all projects, one after the other."""
    return tuple([await _unlock(project, site, wants) for project in projects])


async def _unlock(project: Project, site: Site, wants: Wants) -> Holding:
    key, setup = project_key(project), site.setup
    me = Owner(os.getpid(), setup.host, iso(site.clock()), "unlock", project.name)
    try:
        with hold(setup.state_dir, key, me):
            return await _leased(project, site, wants)
    except LockedError:
        owner = owner_of(setup.state_dir, key) or me
        lock = LockHolder(owner.pid, owner.host, owner.since, owner.command)
        return Holding(project.name, lock=lock, exit=int(Exit.LOCKED))
    except BmSyncError as e:
        return Holding(project.name, failure=e.what, hint=e.hint, exit=int(e.exit))


async def _leased(project: Project, site: Site, wants: Wants) -> Holding:
    """Look at the lease of a project whose lock is ours meanwhile."""
    free = Holding(project.name)
    wanted = wants.named or project.policy.lease is not Lease.NONE
    if not wanted or project.placement is not Placement.SYNCED:
        return free
    place = await _place(project, site)
    memory = LeaseMemory(site.setup.state_dir, project_key(project))
    found = await _judged(project, place, memory, wants)
    if found is None:
        return free
    holder = _holder(found, place)
    if not found.dead:
        return replace(free, lease=holder, exit=int(Exit.LOCKED))
    if not wants.confirm(project.name, holder):
        return replace(free, lease=holder)
    removed = await _remove(found, place, memory, project, site)
    return replace(free, lease=holder, removed=removed, exit=0 if removed else int(Exit.LOCKED))


async def _place(project: Project, site: Site) -> LeasePlace:
    remote = project.remote
    assert remote is not None  # noqa: S101 - the project is synced
    if isinstance(remote, FolderRemote):
        return FolderPlace(remote.root / project.path, remote_label(project))
    retry = project.policy.retry
    place = await site.patiently(retry, lambda: site.place(project))
    exact = await site.conditions(remote, place.base, retry)
    return DistantPlace(site.rclone, place.fs, place.features, conditions=exact)


async def _judged(
    project: Project, place: LeasePlace, memory: LeaseMemory, wants: Wants
) -> Standing | None:
    """Return the lease that stands; where no clock tells its age, watch whether it is renewed."""
    first = found = await standing(place, memory)
    patience = Patience(math.inf, wants.on_event)
    told = await place.age_s() is not None
    while found is not None and first is not None and not (found.dead or told):
        if found.found != first.found:
            return found  # it was renewed, or is another one
        cause = f"up to {found.left_s:.0f} s, whether {found.owner} renews the lease"
        await patience.goes_on(project.name, cause, min(_STEP_S, found.left_s + 0.1))
        found = await standing(place, memory)
    return found


async def _remove(
    found: Standing, place: LeasePlace, memory: LeaseMemory, project: Project, site: Site
) -> bool:
    """Take the lease over, then away, so that one that was renewed just now stays."""
    run = f"unlock-{os.getpid()}-{iso(site.clock())}"
    note = Note(run, project.name, site.setup.host, os.getpid(), iso(site.clock()))
    memory.taking(run)
    if await place.replace(found.found, encode(note)) is None:
        return False
    await place.remove()
    for ours in (run, *memory.ours()):
        memory.given_back(ours)
    return True


def _holder(found: Standing, place: LeasePlace) -> LeaseHolder:
    note = found.note
    if note is None:
        return LeaseHolder(place.label, None, None, None, None, found.dead, found.left_s)
    return LeaseHolder(
        place.label, note.run, note.host, note.pid, note.since, found.dead, found.left_s
    )

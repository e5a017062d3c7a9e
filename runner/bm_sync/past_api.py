"""What bm-sync can do about earlier runs, as functions: the command line calls these.

Like `api`: nothing here prints, asks or exits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from bm_sync.engine.peeking import peeking
from bm_sync.model.config import Manifest, Project
from bm_sync.model.past import KeptVersion, OldRuns, OldVersions, Undo
from bm_sync.model.plan import Plan
from bm_sync.model.setup import Setup
from bm_sync.plan.resolve import Keep
from bm_sync.structs import replace

if TYPE_CHECKING:
    from bm_sync.engine.prepare import Prepared
    from bm_sync.engine.site import Site
    from bm_sync.engine.undo import Target
    from bm_sync.model.report import Applied, Sides
    from bm_sync.model.run import Event

Confirm = Callable[[Plan], bool]
OnEvent = Callable[["Event"], None]


class Settle(Struct, frozen=True):
    """How a conflict is to be settled; `given` is the version of a person."""

    keep: Keep
    given: bytes | None = None


def resolve_undo(manifest: Manifest, wanted: Undo, setup: Setup) -> Undo:
    """Return what is to be taken back with the run's full id.

    Raises UsageError when there is nothing that can be taken back.
    """
    return replace(wanted, run=_target(manifest, wanted, setup).run.id)


async def plan_undo(manifest: Manifest, wanted: Undo, setup: Setup) -> Plan:
    """Plan to take a run back. Changes nothing anywhere."""
    from bm_sync.engine import undo
    from bm_sync.engine.prepare import plan_of

    found = _target(manifest, wanted, setup)
    async with peeking(setup, found.projects, manifest.state) as site:
        prepared = await undo.prepare_all(found, wanted, found.projects, site)
        return plan_of(manifest, prepared, site.clock())


async def undo(  # noqa: PLR0913 - what to do, and whom to tell
    manifest: Manifest,
    wanted: Undo,
    setup: Setup,
    *,
    confirm: Confirm = lambda _: True,
    on_event: OnEvent = lambda _: None,
    command: str = "undo",
    wait_s: float = 0.0,
) -> Applied:
    """Take back what a run did, as a run of its own: planned, confirmed, recorded like any.

    It waits up to `wait_s` seconds for other runs that hold a project, as `api.apply` does.
    """
    from bm_sync.engine import reconcile
    from bm_sync.engine import undo as undoing

    found = _target(manifest, wanted, setup)

    async def prepare(mine: Sequence[Project], site: Site) -> tuple[Prepared, ...]:
        return await undoing.prepare_all(found, wanted, mine, site)

    return await reconcile.apply(
        manifest,
        found.projects,
        setup,
        prepare,
        reconcile.Watch(confirm, on_event, command, wait_s),
    )


def _target(manifest: Manifest, wanted: Undo, setup: Setup) -> Target:
    from bm_sync.engine.undo import target
    from bm_sync.state.store import State

    with State.peek(setup.state_dir, tell=setup.tell) as state:
        return target(wanted, manifest.projects, state)


async def versions(project: Project, path: str, setup: Setup) -> tuple[KeptVersion, ...]:
    """Return every version of a file that either side keeps, the newest first."""
    from bm_sync.engine import versions as finding

    async with peeking(setup, [project]) as site:
        return await finding.versions(project, path, site)


async def version_at(project: Project, path: str, at: str, setup: Setup) -> KeptVersion:
    """Return the version that a run replaced, or that stood at a time; raises UsageError."""
    from bm_sync.engine.versions import chosen

    return chosen(await versions(project, path, setup), at)


async def fetch_version(project: Project, version: KeptVersion, target: Path, setup: Setup) -> None:
    """Write a kept version into a new file; raises UsageError when it exists."""
    from bm_sync.engine import versions as finding

    async with peeking(setup, [project]) as site:
        await finding.fetch(project, version, target, site)


async def plan_restore(
    manifest: Manifest, project: Project, version: KeptVersion, setup: Setup
) -> Plan:
    """Plan to bring a version back to its path. Changes nothing anywhere."""
    from bm_sync.engine import versions as finding
    from bm_sync.engine.prepare import plan_of

    async with peeking(setup, [project]) as site:
        prepared = await finding.prepare(project, version, site)
        return plan_of(manifest, [prepared], site.clock())


async def restore(  # noqa: PLR0913 - what to do, and whom to tell
    manifest: Manifest,
    project: Project,
    version: KeptVersion,
    setup: Setup,
    *,
    confirm: Confirm = lambda _: True,
    on_event: OnEvent = lambda _: None,
    command: str = "restore",
    wait_s: float = 0.0,
) -> Applied:
    """Bring a version back to its path, as a run: planned, confirmed, recorded, to be undone.

    It waits up to `wait_s` seconds for another run that holds the project.
    """
    from bm_sync.engine import reconcile
    from bm_sync.engine import versions as finding

    async def prepare(mine: Sequence[Project], site: Site) -> tuple[Prepared, ...]:
        return tuple([await finding.prepare(p, version, site) for p in mine])

    return await reconcile.apply(
        manifest, (project,), setup, prepare, reconcile.Watch(confirm, on_event, command, wait_s)
    )


async def old_versions(projects: Sequence[Project], setup: Setup) -> tuple[OldVersions, ...]:
    """Return what the trash of these projects holds that their policies do not keep."""
    from bm_sync.engine import retention

    async with peeking(setup, projects) as site:
        found = [await retention.old_versions(p, site) for p in projects]
        return tuple(old for one in found for old in one)


async def prune_versions(  # noqa: PLR0913 - what to do, and whom to tell
    projects: Sequence[Project],
    wanted: Sequence[OldVersions],
    setup: Setup,
    *,
    on_event: OnEvent = lambda _: None,
    command: str = "prune",
    wait_s: float = 0.0,
) -> tuple[OldVersions, ...]:
    """Remove those of `wanted` that are still not to be kept, for good; return what went.

    It waits up to `wait_s` seconds for other runs that hold a project, then raises LockedError.
    """
    from bm_sync.engine import retention
    from bm_sync.engine.locks import Locks
    from bm_sync.engine.opening import open_rclone
    from bm_sync.engine.patience import Patience
    from bm_sync.engine.record import ticket
    from bm_sync.engine.site import Site
    from bm_sync.state.store import State

    gone: list[OldVersions] = []
    with (
        State.open(setup.state_dir, host=setup.host, tell=setup.tell) as state,
        Locks(setup, ticket(setup, command)) as locks,
    ):
        await locks.take(projects, os.getpid(), Patience(wait_s, on_event))
        for refused in locks.refused.values():
            raise refused
        async with open_rclone(setup, projects) as rclone:
            site = Site(setup, state, rclone)
            for project in projects:
                gone += await retention.prune(project, wanted, site)
    return tuple(gone)


def old_runs(manifest: Manifest, setup: Setup) -> OldRuns:
    """Return which records of earlier runs `keep_history` does not keep. Changes nothing."""
    from bm_sync.engine import old_runs
    from bm_sync.engine.site import utc_now
    from bm_sync.state.store import State

    with State.peek(setup.state_dir, tell=setup.tell) as state:
        return old_runs.plan(manifest, state, setup, utc_now())


def prune_runs(manifest: Manifest, setup: Setup) -> OldRuns:
    """Remove the records of runs that `keep_history` does not keep, for good; return what went."""
    from bm_sync.engine import old_runs
    from bm_sync.engine.site import utc_now
    from bm_sync.state.store import State

    with State.open(setup.state_dir, host=setup.host, tell=setup.tell) as state:
        return old_runs.prune(manifest, state, setup, utc_now())


async def conflict_sides(project: Project, path: str, setup: Setup) -> Sides:
    """Return both versions of the conflict at a path; raises UsageError when none is open."""
    from bm_sync.engine import resolve

    async with peeking(setup, [project]) as site:
        return await resolve.sides(project, resolve.find(project, path, site), site)


async def plan_resolve(
    manifest: Manifest, project: Project, path: str, choice: Settle, setup: Setup
) -> Plan:
    """Plan to settle a conflict. Changes nothing anywhere."""
    from bm_sync.engine import resolve
    from bm_sync.engine.prepare import plan_of

    async with peeking(setup, [project]) as site:
        conflict = resolve.find(project, path, site)
        prepared = await resolve.prepare(project, conflict, choice.keep, choice.given, site)
        return plan_of(manifest, [prepared], site.clock())


async def resolve(  # noqa: PLR0913 - what to do, and whom to tell
    manifest: Manifest,
    project: Project,
    path: str,
    choice: Settle,
    setup: Setup,
    *,
    confirm: Confirm = lambda _: True,
    on_event: OnEvent = lambda _: None,
    command: str = "conflicts resolve",
    wait_s: float = 0.0,
) -> Applied:
    """Settle a conflict, as a run: planned, confirmed, recorded, to be undone.

    It waits up to `wait_s` seconds for another run that holds the project.
    """
    from bm_sync.engine import reconcile
    from bm_sync.engine import resolve as settling

    async def prepare(mine: Sequence[Project], site: Site) -> tuple[Prepared, ...]:
        found = []
        for one in mine:
            conflict = settling.find(one, path, site)
            ready = await settling.prepare(one, conflict, choice.keep, choice.given, site)
            if not ready.plan.moves and ready.plan.in_sync:
                settling.settle(one, conflict, site)  # both stay as they are
            found.append(ready)
        return tuple(found)

    return await reconcile.apply(
        manifest, (project,), setup, prepare, reconcile.Watch(confirm, on_event, command, wait_s)
    )

"""A whole run: all projects are planned and judged before any is touched, then carried out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    contextmanager,
    nullcontext,
)
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from bm_sync.engine import health, old_runs
from bm_sync.engine.gone import told_of_gone
from bm_sync.engine.identity import formers, project_key
from bm_sync.engine.journal import journalled
from bm_sync.engine.locks import Locks
from bm_sync.engine.opening import Opening, open_rclone
from bm_sync.engine.patience import Patience
from bm_sync.engine.prepare import Prepared, plan_of
from bm_sync.engine.project_run import ProjectRunner
from bm_sync.engine.record import Ticket, iso, ticket
from bm_sync.engine.site import Site
from bm_sync.errors import Exit, LockedError, worst
from bm_sync.model.config import Lease, Manifest, Project
from bm_sync.model.plan import Plan
from bm_sync.model.report import Applied, Setup
from bm_sync.model.run import Event, ProjectRun, Run, Status
from bm_sync.state.machine import machine_id, no_machine
from bm_sync.state.place import private_folder
from bm_sync.state.store import State
from bm_sync.structs import replace

if TYPE_CHECKING:
    from bm_sync.engine.around import Around
    from bm_sync.engine.leases import Leases
    from bm_sync.engine.shared_state import SharedState

Preparing = Callable[[Sequence[Project], Site], Awaitable[tuple[Prepared, ...]]]


class Watch(Struct, frozen=True):
    """Who is asked and told."""

    confirm: Callable[[Plan], bool]
    on_event: Callable[[Event], None]
    command: str
    wait_s: float = 0.0
    """How long to wait for other runs in all."""
    attended: bool = False
    """Whether conditions, hooks and notices of the manifest count; they do for apply."""
    ignore_conditions: bool = False
    opening: Opening = open_rclone
    """What lends the run its rclone; a run by itself has one of its own."""
    saved: str | None = None
    """The digest of the saved plan that is carried out, for the record."""


async def carry_out_all(
    prepared: Sequence[Prepared],
    site: Site,
    run: Run,
    locked: Sequence[ProjectRun],
    emit: Callable[[Event], None],
) -> Run:
    """Carry out all plans, a few at once; return the record, written.

    When the task is cancelled, each project stops cleanly, what was done is recorded, and the
    record says so (exit 130) instead of raising.
    """
    site.state.begin_run(run)
    gate = asyncio.Semaphore(site.setup.jobs)
    listen = journalled(emit)
    runners = [ProjectRunner(p, site, run.id, listen) for p in prepared]
    ended: dict[str, ProjectRun] = {}

    async def one(runner: ProjectRunner) -> None:
        async with gate:
            ended[runner.project] = await runner.run()

    interrupted = False
    try:
        async with asyncio.TaskGroup() as group:
            for runner in runners:
                group.create_task(one(runner))
    except asyncio.CancelledError:
        interrupted = True
    except ExceptionGroup as several:  # what one project could not record, the others cannot either
        raise several.exceptions[0] from several
    for runner in runners:
        if runner.project not in ended:
            ended[runner.project] = runner.not_begun()
    results = (*(ended[p.project.name] for p in prepared), *locked)
    code = Exit.INTERRUPTED if interrupted else worst([Exit(r.exit) for r in results])
    record = replace(run, ended=iso(site.clock()), exit=int(code), projects=results)
    site.state.end_run(record)
    return record


def locked_run(project: Project, error: LockedError, started: datetime) -> ProjectRun:
    """Return the record of a project that another run holds."""
    return ProjectRun(
        project=project.name,
        key=project_key(project),
        status=Status.LOCKED,
        started=iso(started),
        seconds=0.0,
        message=error.what,
        hint=error.hint,
        exit=int(error.exit),
    )


async def apply(
    manifest: Manifest,
    projects: Sequence[Project],
    setup: Setup,
    prepare: Preparing,
    watch: Watch,
) -> Applied:
    """Lock, plan, confirm, carry out and record; see `api.apply`."""
    health.check(manifest, setup)
    run = ticket(setup, watch.command)
    patience = Patience(watch.wait_s, watch.on_event)
    with (
        _opened(manifest, setup) as state,
        Locks(setup, run) as locks,
        _around(manifest, projects, watch, run, (setup, state)) as around,
    ):
        mine = await locks.take(projects, os.getpid(), patience)
        private_folder(run.log.parent)
        old_runs.prune_logs(run.log.parent)
        if around is not None:
            mine = await around.admitted(mine)
        said = run.log.with_suffix(".rclone.log")
        async with watch.opening(setup, mine, said) as rclone, AsyncExitStack() as until_end:
            site = Site(setup, state, rclone, participants=[] if around is None else [around])
            shared = await until_end.enter_async_context(_shared(manifest, site, run))
            if shared is not None:
                mine, prepare = await shared.begun(mine, patience), shared.preparing(prepare)
                locks.refused |= shared.refused
            prepared = await prepare(mine, site)
            async with _leases(mine, site, run) as leases:
                if leases is not None:
                    prepared = await leases.secured(prepared, prepare, patience)
                    locks.refused |= leases.refused
                if shared is not None:
                    prepared = shared.leased(prepared)
                prepared, undeclared = told_of_gone(manifest, prepared, site)
                plan = plan_of(manifest, prepared, run.started, undeclared=undeclared)
                plan = replace(plan, digest=watch.saved or plan.digest)
                if not watch.confirm(plan):
                    held = tuple(locks.refused.values())
                    return Applied(plan, None, state.repaired, held=held)
                refused = [(p, locks.refused.get(p.name)) for p in projects]
                locked = [locked_run(p, e, run.started) for p, e in refused if e is not None]
                with _logged(plan, run, site, around) as path:
                    begun = _record(manifest, setup, run, plan, path)
                    if around is not None:
                        locked += around.begins(prepared)
                    record = await carry_out_all(prepared, site, begun, locked, watch.on_event)
                    if around is not None:
                        record = await around.ended(record)
                old_runs.after_run(manifest, state, setup, run.started)
                trouble = health.publish(manifest, record, state, setup)
                untold = await health.tell_fleet(manifest, record, site) if prepared else None
                told = (state.repaired, trouble, untold, shared.said if shared else None)
                said_too = [n for n in told if n is not None]
                failed = around.trouble if around is not None else None
                notice, warnings = "; ".join(said_too) or None, _warnings(prepared)
                return Applied(plan, record, notice, failed, warnings=warnings)


def _warnings(prepared: Sequence[Prepared]) -> tuple[tuple[str, str], ...]:
    seen = ((p.project.name, p.seen) for p in prepared if p.seen is not None)
    return tuple((name, what) for name, each in seen for what in each.left_alone.warnings)


def _around(
    manifest: Manifest,
    projects: Sequence[Project],
    watch: Watch,
    run: Ticket,
    where: tuple[Setup, State],
) -> AbstractContextManager[Around | None]:
    """Return what attends a run; only a manifest that wants it loads what it takes."""
    wanted = (manifest.hooks, manifest.notify, *((p.hooks or p.conditions) for p in projects))
    if not (watch.attended and any(wanted)):
        return nullcontext()
    from bm_sync.engine import around

    return around.Around(around.Surroundings(manifest, *where, run, watch.ignore_conditions))


def _opened(manifest: Manifest, setup: Setup) -> State:
    """Open the state; one that travels between machines is of none of them."""
    machine = machine_id if manifest.state is None else no_machine
    state = State.open(setup.state_dir, host=setup.host, machine=machine)
    state.expect(formers(manifest.projects))
    return state


def _shared(
    manifest: Manifest, site: Site, run: Ticket
) -> AbstractAsyncContextManager[SharedState | None]:
    """Return the state that lies on a remote; only a manifest that says so loads what it takes."""
    if manifest.state is None:
        return nullcontext()
    from bm_sync.engine.leases import Holder
    from bm_sync.engine.shared_state import SharedState

    declared = (*manifest.projects, *(each.project for each in manifest.elsewhere))
    names = frozenset(project.name for project in declared)
    shared = SharedState(manifest.state, site, Holder(run.id, iso(run.started)), names)
    site.participants.append(shared)
    return shared


def _leases(
    projects: Sequence[Project], site: Site, run: Ticket
) -> AbstractAsyncContextManager[Leases | None]:
    """Return the leases of a run; only a policy that wants them loads what they take."""
    if all(p.policy.lease is Lease.NONE for p in projects):
        return nullcontext()
    from bm_sync.engine.leases import Holder, Leases

    return Leases(site, Holder(run.id, iso(run.started)))


@contextmanager
def _logged(plan: Plan, run: Ticket, site: Site, around: Around | None) -> Iterator[Path | None]:
    """Keep a log of a run that has something to say; yield where it is."""
    quiet = all(p.in_sync for p in plan.projects)
    if around is not None:
        with around.logging(site.rclone.secrets, quiet=quiet) as path:
            yield path
        return
    if quiet:
        yield None
        return
    from bm_sync import log

    with log.to_file(run.log, site.rclone.secrets):
        yield run.log


def _record(manifest: Manifest, setup: Setup, run: Ticket, plan: Plan, path: Path | None) -> Run:
    return Run(
        id=run.id,
        command=run.command,
        started=iso(run.started),
        ended="",
        host=setup.host,
        manifest=str(manifest.file.absolute()),
        plan_digest=plan.digest,
        exit=-1,
        projects=(),
        log=str(path) if path else None,
    )

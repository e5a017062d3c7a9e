"""A whole run: all projects are planned and judged before any is touched, then carried out."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Self

from bm_sync.engine.identity import project_key
from bm_sync.engine.journal import journalled
from bm_sync.engine.prepare import Prepared
from bm_sync.engine.project_run import ProjectRunner
from bm_sync.engine.record import iso
from bm_sync.engine.site import Site, machine_suffix, utc_now
from bm_sync.errors import Exit, LockedError, worst
from bm_sync.model.config import Manifest, Project
from bm_sync.model.plan import Plan
from bm_sync.model.report import Setup
from bm_sync.model.run import Event, ProjectRun, Run, Status
from bm_sync.plan.wire import digest
from bm_sync.rclone import binary, runtime
from bm_sync.rclone.client import Rclone
from bm_sync.state.lock import Owner, hold
from bm_sync.state.store import State

_LOGS_KEPT = 500


@dataclass(frozen=True, slots=True)
class Ticket:
    """What names a run: its id, when it began, what was typed, where it logs."""

    id: str
    started: datetime
    command: str
    log: Path


def ticket(setup: Setup, command: str, now: datetime | None = None) -> Ticket:
    """Return the ticket of a run that begins now; its id sorts by time."""
    started = now or utc_now()
    name = f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    return Ticket(name, started, command, setup.state_dir / "logs" / f"{name}.log")


@asynccontextmanager
async def open_site(
    setup: Setup, state: State, projects: Sequence[Project], log: Path | None = None
) -> AsyncIterator[Site]:
    """Open the surroundings of a command; rclone starts with its first use and always ends.

    Raises RcloneMissingError when there is no rclone to start.
    """
    rates = [p.policy.limits.bandwidth for p in projects]
    bandwidth = min((r for r in rates if r is not None), default=None)
    rclone = Rclone(
        binary.find(setup.rclone, setup.env),
        run_dir=runtime.base_dir(setup.env, setup.state_dir),
        env=setup.env,
        log_file=log,
        bandwidth=bandwidth,
        partial_suffix=machine_suffix(setup),
    )
    try:
        yield Site(setup, state, rclone)
    finally:
        await rclone.stop()
        _drop_if_empty(log)


def prune_logs(folder: Path) -> None:
    """Remove the logs of all but the newest runs; what the runs did stays in the state."""
    for old in sorted(folder.glob("*.log"), reverse=True)[_LOGS_KEPT:]:
        old.unlink(missing_ok=True)


def _drop_if_empty(log: Path | None) -> None:
    """Rclone opens its log when it starts; one without a line tells nothing."""
    if log is not None and log.is_file() and log.stat().st_size == 0:
        log.unlink()


def plan_of(manifest: Manifest, prepared: Sequence[Prepared], created: datetime) -> Plan:
    """Return the plan of a run from those of its projects."""
    projects = tuple(p.plan for p in prepared)
    return Plan(iso(created), str(manifest.file), manifest.digest, projects, digest(projects))


class Locks:
    """The locks of the selected projects, held together; those of others are reported."""

    def __init__(self, setup: Setup, run: Ticket) -> None:
        self._setup = setup
        self._run = run
        self._stack = ExitStack()
        self.refused: dict[str, LockedError] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def take(self, projects: Sequence[Project], pid: int) -> tuple[Project, ...]:
        """Lock each project; return those that are ours now, note the others in `refused`."""
        mine = []
        for project in sorted(projects, key=project_key):
            owner = Owner(
                pid, self._setup.host, iso(self._run.started), self._run.command, project.name
            )
            try:
                self._stack.enter_context(hold(self._setup.state_dir, project_key(project), owner))
                mine.append(project)
            except LockedError as e:
                self.refused[project.name] = e
        return tuple(p for p in projects if p in mine)


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

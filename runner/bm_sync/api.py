"""What bm-sync can do, as functions: the command line calls these and shows what they return.

Nothing here prints, asks or exits. Expected troubles are in the results; what makes a whole command
impossible is raised as a BmSyncError. Rooms that only one command needs are loaded by it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bm_sync.engine.adopt import import_basic_memory as import_basic_memory  # noqa: PLC0414 - too
from bm_sync.engine.adopt import import_bisync_state as import_bisync_state  # noqa: PLC0414 - too
from bm_sync.engine.adopt import import_rclone as import_rclone  # noqa: PLC0414 - told here too
from bm_sync.engine.identity import formers, project_key
from bm_sync.engine.peeking import peeking
from bm_sync.engine.selecting import refused_commands, select
from bm_sync.errors import RcloneMissingError, UsageError
from bm_sync.manifest import Loaded
from bm_sync.manifest import load as load_manifest
from bm_sync.model.config import Manifest, Project
from bm_sync.model.plan import Accept, Plan
from bm_sync.model.setup import Selection, Setup
from bm_sync.model.tree import Side
from bm_sync.rclone.binary import providers

if TYPE_CHECKING:
    from bm_sync.engine.prepare import Prepared
    from bm_sync.engine.site import Site
    from bm_sync.model.report import (
        Applied,
        Finding,
        Listing,
        OpenConflict,
        ProjectCheck,
        ProjectStatus,
        ResetReport,
        Why,
    )
    from bm_sync.model.run import Event, Run
    from bm_sync.state.store import State

NOTHING_ACCEPTED = Accept()

Confirm = Callable[[Plan], bool]
OnEvent = Callable[["Event"], None]


def load(file: Path, setup: Setup) -> Loaded:
    """Read a manifest; raises ManifestError with every slip in it."""
    machine = setup.machine(sys.platform)
    ask = partial(providers, setup.rclone, setup.env)
    return load_manifest(
        file,
        setup.env,
        state_dir=setup.state_dir,
        machine=machine,
        ask=ask,
        doubt=partial(doubt, setup=setup),
    )


def doubt(files: Sequence[Path], setup: Setup) -> None:
    """Raise UsageError when a manifest that nobody named must not be taken."""
    from bm_sync.engine.left_alone import refuse_brought

    refuse_brought(files, setup)


async def plan(
    manifest: Manifest,
    selection: Selection,
    setup: Setup,
    *,
    accept: Accept = NOTHING_ACCEPTED,
    keep_deleted: bool = False,
) -> Plan:
    """Plan the selected projects. Changes nothing anywhere."""
    projects = select(manifest, selection)
    refused = refused_commands(manifest, projects) if setup.no_commands else {}
    free = [project for project in projects if project.name not in refused]
    async with peeking(setup, free, manifest.state if free else None) as site:
        from bm_sync.engine.gone import told_of_gone
        from bm_sync.engine.prepare import Wants, author, plan_of, prepare_all

        site.unfetched |= refused
        wants = Wants(accept, keep_deleted)
        prepared = await prepare_all(projects, site, wants)
        prepared, gone = told_of_gone(manifest, prepared, site)
        return plan_of(manifest, prepared, site.clock(), wants, author(setup), undeclared=gone)


async def apply(  # noqa: PLR0913 - what to do, and whom to tell
    manifest: Manifest,
    selection: Selection,
    setup: Setup,
    *,
    accept: Accept = NOTHING_ACCEPTED,
    keep_deleted: bool = False,
    confirm: Confirm = lambda _: True,
    on_event: OnEvent = lambda _: None,
    command: str = "apply",
    wait_s: float = 0.0,
    ignore_conditions: bool = False,
) -> Applied:
    """Plan the selected projects, ask `confirm`, carry the plan out and record it.

    It waits up to `wait_s` seconds for other runs that hold a project (inf: for as long as they
    run). When the task is cancelled while files move, the run stops cleanly and its record says so.
    The manifest's conditions count unless they are ignored; its hooks run and its notices are sent.
    """
    from bm_sync.engine import reconcile
    from bm_sync.engine.prepare import Wants, prepare_all

    projects = select(manifest, selection)
    wants = Wants(accept, keep_deleted)

    async def prepare(mine: Sequence[Project], site: Site) -> tuple[Prepared, ...]:
        return await prepare_all(mine, site, wants)

    watch = reconcile.Watch(
        confirm, on_event, command, wait_s, attended=True, ignore_conditions=ignore_conditions
    )
    return await reconcile.apply(manifest, projects, setup, prepare, watch)


async def plan_saved(manifest: Manifest, saved: Plan, setup: Setup) -> Plan:
    """Return what a saved plan would do now; raises StalePlanError as `apply_saved` does."""
    from bm_sync.engine.saved import fitting, projects_of

    projects = projects_of(manifest, saved)
    async with peeking(setup, projects, manifest.state) as site:
        from bm_sync.engine.prepare import plan_of

        prepared = await fitting(saved, projects, site)
        return plan_of(manifest, prepared, site.clock(), saved.wants, saved.author)


async def apply_saved(  # noqa: PLR0913 - what to do, and whom to tell
    manifest: Manifest,
    saved: Plan,
    setup: Setup,
    *,
    confirm: Confirm = lambda _: True,
    on_event: OnEvent = lambda _: None,
    command: str = "apply",
    wait_s: float = 0.0,
    ignore_conditions: bool = False,
) -> Applied:
    """Carry out exactly a saved plan; raises StalePlanError when any of it no longer fits."""
    from bm_sync.engine import reconcile
    from bm_sync.engine.saved import fitting, projects_of

    projects = projects_of(manifest, saved)

    async def prepare(mine: Sequence[Project], site: Site) -> tuple[Prepared, ...]:
        return await fitting(saved, mine, site)

    watch = reconcile.Watch(
        confirm,
        on_event,
        command,
        wait_s,
        attended=True,
        ignore_conditions=ignore_conditions,
        saved=saved.digest,
    )
    return await reconcile.apply(manifest, projects, setup, prepare, watch)


async def prunable(manifest: Manifest, selection: Selection, setup: Setup) -> Plan:
    """Return what the filters exclude but what lies on the remotes. Changes nothing anywhere."""
    projects = select(manifest, selection)
    async with peeking(setup, projects, manifest.state) as site:
        from bm_sync.engine import prune as pruning
        from bm_sync.engine.prepare import plan_of

        return plan_of(manifest, await pruning.prepare_all(projects, site), site.clock())


async def prune(  # noqa: PLR0913 - what to do, and whom to tell
    manifest: Manifest,
    selection: Selection,
    setup: Setup,
    *,
    confirm: Confirm,
    on_event: OnEvent = lambda _: None,
    command: str = "prune",
    wait_s: float = 0.0,
) -> Applied:
    """Remove from the remotes what the filters exclude: exactly the list that `confirm` is shown.

    It goes into the trash there. Local files and cloud-only projects are never touched.
    """
    from bm_sync.engine import prune as pruning
    from bm_sync.engine import reconcile

    projects = select(manifest, selection)
    watch = reconcile.Watch(confirm, on_event, command, wait_s)
    return await reconcile.apply(manifest, projects, setup, pruning.prepare_all, watch)


async def check(
    manifest: Manifest, selection: Selection, setup: Setup, *, sample: int | None = None
) -> tuple[ProjectCheck, ...]:
    """Compare both sides of the selected projects by content. Changes nothing."""
    from bm_sync.engine import check as checking

    projects = select(manifest, selection)
    async with peeking(setup, projects, manifest.state) as site:
        return await checking.check_all(projects, site, sample)


async def listing(manifest: Manifest, name: str, side: Side, setup: Setup) -> Listing:
    """List one side of a project, filtered."""
    from bm_sync.engine import inspect

    project = _one(manifest, name)
    async with peeking(setup, [project], manifest.state) as site:
        return await inspect.listing(project, side, site)


async def why(
    manifest: Manifest, asked: Sequence[tuple[str, str]], setup: Setup
) -> tuple[Why, ...]:
    """Tell of paths, each with its project's name, whether they are synced, and which rule decides.

    Also where they stand, and what the last run did to them. Changes nothing.
    """
    from bm_sync.engine import inspect

    projects = {name: _one(manifest, name) for name, _ in asked}
    async with peeking(setup, tuple(projects.values()), manifest.state) as site:
        return tuple([await inspect.why(projects[name], path, site) for name, path in asked])


def status(manifest: Manifest, selection: Selection, setup: Setup) -> tuple[ProjectStatus, ...]:
    """Return every selected project as last seen.

    Then come those that are for other machines, and those that are known but not declared.
    """
    from bm_sync.engine import overview

    with _peek(setup) as state:
        return overview.rows(manifest, selection, state, setup)


async def shared_status(
    manifest: Manifest, selection: Selection, setup: Setup
) -> tuple[ProjectStatus, ...]:
    """Return the same as `status`, of a state that lies on a remote and is fetched first."""
    from bm_sync.engine import overview

    async with peeking(setup, select(manifest, selection), manifest.state) as site:
        return overview.rows(manifest, selection, site.state, setup)


def needless_was(manifest: Manifest, setup: Setup) -> tuple[Project, ...]:
    """Return the projects whose `was` has nothing to do on this machine any more."""
    if all(project.was is None for project in manifest.projects):
        return ()
    from bm_sync.engine import overview

    with _peek(setup) as state:
        return overview.needless(manifest, state)


def history(setup: Setup, *, limit: int = 20, project: str | None = None) -> tuple[Run, ...]:
    """Return the newest runs, newest first, without their actions."""
    with _peek(setup) as state:
        return state.runs(limit, project)


def run_record(setup: Setup, run_id: str) -> Run:
    """Return one run with all its actions, by its id or the beginning of it."""
    with _peek(setup) as state:
        found = state.run(run_id)
    if found is None:
        raise UsageError(f"no run '{run_id}'", hint="bm-sync history lists them")
    return found


def conflicts(manifest: Manifest, selection: Selection, setup: Setup) -> tuple[OpenConflict, ...]:
    """Return the conflicts of the selected projects that nobody has settled."""
    with _peek(setup) as state:
        state.expect(formers(manifest.projects))
        return tuple(
            c for p in select(manifest, selection) for c in state.conflicts(project_key(p))
        )


def reset(
    manifest: Manifest | None, name: str | None, setup: Setup, *, key: str | None = None
) -> ResetReport:
    """Forget the baseline of a project; no file is touched on either side.

    It is named, or it is one that is not declared and that `key`, the beginning of its key, tells:
    a declared one is never forgotten by that. Raises LockedError while a run holds the project,
    UsageError when nobody knows the name or the key.
    """
    from bm_sync.engine import overview
    from bm_sync.engine.record import iso
    from bm_sync.engine.site import utc_now
    from bm_sync.state.lock import Owner, hold
    from bm_sync.state.store import State

    if manifest is not None and manifest.state is not None and name is not None:
        place = project_key(_one(manifest, name))
        raise UsageError(
            f"the state of project {name} lies on {manifest.state.label}/{place}",
            hint="remove state.db there; the next apply compares both sides anew",
        )
    begun = iso(utc_now())
    with State.open(setup.state_dir, host=setup.host, tell=setup.tell) as state:
        if name is None:
            found = overview.undeclared_one(manifest, key or "", state)
            name, whole, declared = found.name, found.key, False
        else:
            whole, declared = overview.find(manifest, name, state)
            if manifest is not None:
                state.expect(formers(manifest.projects))
        owner = Owner(os.getpid(), setup.host, begun, "reset", name)
        now = state.key_now(whole)  # that of what the project was, while it has no memory yet
        with ExitStack() as locks:
            for each in sorted({whole, now}):
                locks.enter_context(hold(setup.state_dir, each, owner))
            return overview.reset(name, now, state, declared=declared)


async def doctor(
    manifest: Manifest | None, setup: Setup, *, create_bucket: str | None = None
) -> AsyncIterator[Finding]:
    """Yield what would make a run fail, one finding after the other.

    `create_bucket` is the remote whose bucket is made first.
    """
    from bm_sync.engine import doctor as examining
    from bm_sync.engine.opening import open_rclone
    from bm_sync.engine.site import Site
    from bm_sync.model.report import Finding, Health
    from bm_sync.state.store import State

    yield examining.host_line(setup)
    with State.peek(setup.state_dir) as state:
        try:
            async with open_rclone(setup, ()) as rclone:
                site = Site(setup, state, rclone)
                if create_bucket is not None and manifest is not None:
                    yield await examining.create_bucket(manifest, create_bucket, site)
                async for finding in examining.examine(manifest, setup, state, site):
                    yield finding
        except RcloneMissingError as e:
            yield Finding("rclone", Health.FAULT, e.what, e.hint)
            async for finding in examining.examine(manifest, setup, state, None):
                yield finding


def _peek(setup: Setup) -> State:
    from bm_sync.state.store import State

    return State.peek(setup.state_dir, tell=setup.tell)


def _one(manifest: Manifest, name: str) -> Project:
    found = [p for p in select(manifest, Selection((name,))) if p.name == name]
    if found:
        return found[0]
    for other in manifest.elsewhere:
        if other.project.name == name:
            what = f"project '{name}' is not for this machine: {other.reason}"
            raise UsageError(what, hint=f"it is declared at {other.project.origin}")
    raise UsageError(f"'{name}' is a pattern; name one project")

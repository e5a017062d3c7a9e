"""What `bm-sync report` needs, as functions: the command line calls these.

Like `api`: nothing here prints, asks or exits, and nothing is changed anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bm_sync import __version__
from bm_sync.engine.selecting import elsewhere, select
from bm_sync.errors import BmSyncError
from bm_sync.model.config import Manifest, Project
from bm_sync.model.setup import Selection, Setup

if TYPE_CHECKING:
    from bm_sync.model.period import Drift, Report
    from bm_sync.model.plan import ProjectPlan
    from bm_sync.model.report import OpenConflict, ProjectStatus
    from bm_sync.state.store import State

LEFT_OUT = "no plan was asked for"


async def report(
    manifest: Manifest, selection: Selection, setup: Setup, *, since: datetime, drift: bool = True
) -> Report:
    """Return what happened to the selected projects since a time (in UTC), and what a plan says.

    Without a selection the projects that are known and not declared are in it, too. Without `drift`
    nothing is listed. What keeps a project, or all of them, from being planned is in the report.
    """
    from bm_sync.engine.record import iso
    from bm_sync.engine.report import Asked, Known, gather
    from bm_sync.state.store import State

    until = datetime.now(UTC)
    asked = Asked(since, until, str(manifest.file), setup.host, __version__)
    drifts, why_not = await _drifts(manifest, selection, setup) if drift else ({}, LEFT_OUT)
    with State.peek(setup.state_dir) as state:
        rows = _rows(manifest, selection, setup, state)
        known = Known(
            past=state.runs_since(iso(since)),
            rows=rows,
            conflicts=_conflicts(rows, state),
            drift=drifts,
            no_drift=why_not,
            whole=not (selection.names or selection.tags),
        )
    return gather(asked, known)


def _rows(
    manifest: Manifest, selection: Selection, setup: Setup, state: State
) -> tuple[ProjectStatus, ...]:
    from bm_sync.engine import overview
    from bm_sync.paths import home_dir

    home = home_dir(setup.env)
    rows = overview.declared(select(manifest, selection), state, home)
    rows += overview.not_here(elsewhere(manifest, selection), state, home)
    whole = not (selection.names or selection.tags)
    return rows + overview.undeclared(manifest, state) if whole else rows


def _conflicts(rows: Sequence[ProjectStatus], state: State) -> tuple[OpenConflict, ...]:
    keys = [row.key for row in rows if row.conflicts and row.key is not None]
    return tuple(conflict for key in keys for conflict in state.conflicts(key))


async def _drifts(
    manifest: Manifest, selection: Selection, setup: Setup
) -> tuple[dict[str, Drift], str | None]:
    """Return what a plan says of each project, and why none could be made."""
    from bm_sync.engine.report import drift

    projects = select(manifest, selection)
    try:
        plans = await _plans(projects, setup)
    except BmSyncError as error:
        return {}, error.what
    return {plan.project: drift(plan) for plan in plans}, None


async def _plans(projects: Sequence[Project], setup: Setup) -> tuple[ProjectPlan, ...]:
    from bm_sync.engine.opening import open_rclone
    from bm_sync.engine.prepare import Wants, prepare_all
    from bm_sync.engine.site import Site
    from bm_sync.state.store import State

    async with open_rclone(setup, projects) as rclone:
        with State.peek(setup.state_dir) as state:
            prepared = await prepare_all(projects, Site(setup, state, rclone), Wants())
    return tuple(each.plan for each in prepared)

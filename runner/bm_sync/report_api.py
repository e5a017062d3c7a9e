"""What `bm-sync report` needs, as functions: the command line calls these.

Like `api`: nothing here prints, asks or exits, and nothing is changed anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from bm_sync import __version__
from bm_sync.engine.peeking import peeking
from bm_sync.engine.selecting import select
from bm_sync.errors import BmSyncError
from bm_sync.model.config import Manifest, Project
from bm_sync.model.setup import Selection, Setup

if TYPE_CHECKING:
    from bm_sync.engine.site import Site
    from bm_sync.model.period import Drift, PeriodReport
    from bm_sync.state.store import State

LEFT_OUT = "no plan was asked for"


class About(Struct, frozen=True):
    """Which projects a report is about, and since when (in UTC)."""

    manifest: Manifest
    selection: Selection
    since: datetime


async def report(about: About, setup: Setup, *, drift: bool = True) -> PeriodReport:
    """Return what happened to the selected projects, and what a plan says of them now.

    Without a selection the projects that are known and not declared are in it, too. Without `drift`
    no side is listed. What keeps a project, or all of them, from being planned is in the report.
    """
    from bm_sync.state.store import State

    projects, home = select(about.manifest, about.selection), about.manifest.state
    why_not = LEFT_OUT
    if drift or home is not None:
        try:
            async with peeking(setup, projects, home) as site:
                drifts = await _drifts(projects, site) if drift else {}
                return _gathered(about, setup, site.state, drifts, None if drift else LEFT_OUT)
        except BmSyncError as error:
            why_not = error.what
    with State.peek(setup.state_dir, tell=setup.tell) as state:
        return _gathered(about, setup, state, {}, why_not)


async def _drifts(projects: Sequence[Project], site: Site) -> dict[str, Drift]:
    from bm_sync.engine.prepare import Wants, prepare_all
    from bm_sync.engine.report import drift

    prepared = await prepare_all(projects, site, Wants())
    return {each.project.name: drift(each.plan) for each in prepared}


def _gathered(
    about: About, setup: Setup, state: State, drifts: Mapping[str, Drift], why_not: str | None
) -> PeriodReport:
    from bm_sync.engine import overview
    from bm_sync.engine.record import iso
    from bm_sync.engine.report import Asked, ReportFacts, gather

    rows = overview.rows(about.manifest, about.selection, state, setup)
    keys = [row.key for row in rows if row.conflicts and row.key is not None]
    known = ReportFacts(
        past=state.runs_since(iso(about.since)),
        rows=rows,
        conflicts=tuple(conflict for key in keys for conflict in state.conflicts(key)),
        drift=drifts,
        no_drift=why_not,
        whole=not (about.selection.names or about.selection.tags),
    )
    until = datetime.now(UTC)
    asked = Asked(about.since, until, str(about.manifest.file), setup.host, __version__)
    return gather(asked, known)

"""Reads the figures of many runs at once, without their actions and paths."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from msgspec import Struct

from bm_sync.model.plan import Totals
from bm_sync.model.run import Status
from bm_sync.state.columns import COUNT, Kind, json_out, same
from bm_sync.state.table import Connection, Reader
from bm_sync.structs import replace


class PastProject(Struct, frozen=True):
    """A project's part of an earlier run.

    `stops` are the sentences of the guards; `waiting` counts the conflicts that nobody settled,
    `problems` the paths left alone.
    """

    project: str
    key: str
    status: Status
    seconds: float
    retries: int
    totals: Totals
    message: str | None = None
    stops: tuple[str, ...] = ()
    waiting: int = 0
    problems: int = 0


class PastRun(Struct, frozen=True):
    """An earlier run. `ended` is "" when it did not come to its end, or has not yet."""

    id: str
    command: str
    host: str
    started: str
    ended: str
    exit: int
    projects: tuple[PastProject, ...] = ()


def read(connection: Connection, since: str) -> tuple[PastRun, ...]:
    """Return the runs that began at `since` or later, oldest first."""
    of_these = "WHERE run IN (SELECT id FROM runs WHERE started >= ?) ORDER BY run, project"
    told = _PROJECTS.read(connection, of_these, (since,))
    projects = {
        run: tuple(project for _, project in group) for run, group in groupby(told, itemgetter(0))
    }
    found = _RUNS.read(connection, "WHERE started >= ? ORDER BY id", (since,))
    return tuple(replace(run, projects=projects.get(run.id, ())) for run in found)


def _project(run: str, body: Mapping[str, Any], **told: Any) -> tuple[str, PastProject]:  # noqa: ANN401 - columns
    return run, PastProject(
        **told,
        totals=_totals(body.get("totals", {})),
        stops=tuple(str(stop["what"]) for stop in body.get("stops", ())),
        waiting=sum(1 for clash in body.get("clashes", ()) if clash["winner"] is None),
        problems=len(body.get("problems", ())),
    )


_NOTHING = Totals()


def _totals(body: Mapping[str, int]) -> Totals:
    """Return the totals; those of a quiet run are shared, as most runs are quiet."""
    figures = {name: COUNT.out(figure) for name, figure in body.items()}
    return Totals(**figures) if any(figures.values()) else _NOTHING


_RUNS = Reader.of("runs", PastRun, "id command host started ended exit")
_PROJECTS = Reader.of(
    "run_projects",
    _project,
    "run project key status seconds retries message body",
    body=Kind(json_out, same),  # a whole one is built for runs that are shown
)

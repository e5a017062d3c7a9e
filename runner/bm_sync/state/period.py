"""Reads the figures of many runs at once, without their actions and paths."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from operator import attrgetter
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
    projects: defaultdict[str, list[PastProject]] = defaultdict(list)
    of_these = "WHERE run IN (SELECT id FROM runs WHERE started >= ?)"
    for run, project in _PROJECTS.read(connection, of_these, (since,)):
        projects[run].append(project)
    for run, project in _quiet(connection, since):
        projects[run].append(project)
    found = _RUNS.read(connection, "WHERE started >= ? ORDER BY id", (since,))
    by_name = attrgetter("project")
    return tuple(
        replace(run, projects=tuple(sorted(projects.get(run.id, ()), key=by_name))) for run in found
    )


def _quiet(connection: Connection, since: str) -> Iterator[tuple[str, PastProject]]:
    """Yield the records of few bytes; of most projects they are alike, and shared then."""
    named = {number: (key, project) for number, key, project in _NAMES.read(connection, "")}
    shown: dict[tuple[object, object], PastProject | None] = {}
    text = (
        "SELECT n.run, q.project, q.ms FROM runs r JOIN run_numbers n ON n.run = r.id"
        " JOIN quiet q ON q.run = n.n WHERE r.started >= ?"
    )
    for run, number, ms in connection.execute(text, (since,)):
        if (number, ms) not in shown:
            shown[number, ms] = _quiet_project(named, number, ms)
        project = shown[number, ms]
        if project is None:
            connection.lose("run_projects", (run, number, ms))
        else:
            yield run, project


def _quiet_project(
    named: Mapping[int, tuple[str, str]], number: int, ms: object
) -> PastProject | None:
    """Return what a record says; None when it is no such."""
    if number not in named or not isinstance(ms, int) or not 0 <= ms < _LONGEST_MS:
        return None
    key, project = named[number]
    return PastProject(project, key, Status.IN_SYNC, ms / 1000, 0, _NOTHING)


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


_LONGEST_MS = 10**12
_NAMES: Reader[tuple[int, str, str]] = Reader.of(
    "project_names", lambda **told: (told["id"], told["key"], told["project"]), "id key project"
)
_RUNS = Reader.of("runs", PastRun, "id command host started ended exit")
_PROJECTS = Reader.of(
    "run_projects",
    _project,
    "run project key status seconds retries message body",
    body=Kind(json_out, same),  # a whole one is built for runs that are shown
)

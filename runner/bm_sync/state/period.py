"""Reads the figures of many runs at once, without their actions and paths."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from bm_sync.errors import StateError
from bm_sync.model.plan import Totals
from bm_sync.model.run import Status
from bm_sync.state import rows

_RUN = "runs.id, runs.command, runs.host, runs.started, runs.ended, runs.exit"
_PROJECT = (
    "run_projects.project, run_projects.key, run_projects.status, run_projects.seconds,"
    " run_projects.retries, run_projects.message, run_projects.body"
)
_RUN_COLUMNS = 6


@dataclass(frozen=True, slots=True)
class PastProject:
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


@dataclass(frozen=True, slots=True)
class PastRun:
    """An earlier run. `ended` is "" when it did not come to its end, or has not yet."""

    id: str
    command: str
    host: str
    started: str
    ended: str
    exit: int
    projects: tuple[PastProject, ...]


def read(connection: sqlite3.Connection, since: str) -> tuple[PastRun, ...]:
    """Return the runs that began at `since` or later, oldest first; raises StateError."""
    found = connection.execute(
        f"SELECT {_RUN}, {_PROJECT} FROM runs"  # noqa: S608 - columns only
        " LEFT JOIN run_projects ON run_projects.run = runs.id"
        " WHERE runs.started >= ? ORDER BY runs.id, run_projects.project",
        (since,),
    )
    return tuple(_runs(found))


def _runs(found: Iterator[tuple[Any, ...]]) -> Iterator[PastRun]:
    for _, group in groupby(found, itemgetter(0)):
        lines = list(group)
        run_id, command, host, started, ended, code = lines[0][:_RUN_COLUMNS]
        projects = (line[_RUN_COLUMNS:] for line in lines)
        yield PastRun(
            id=run_id,
            command=rows.text_out(command),
            host=rows.text_out(host),
            started=started,
            ended=ended,
            exit=int(code),
            projects=tuple(_project(run_id, row) for row in projects if row[0] is not None),
        )


def _project(run_id: str, row: tuple[Any, ...]) -> PastProject:
    project, key, status, seconds, retries, message, text = row
    try:
        body = json.loads(text)
        return PastProject(
            project=rows.text_out(project),
            key=key,
            status=Status(status),
            seconds=float(seconds),
            retries=retries,
            totals=_totals(body["totals"]),
            message=rows.maybe_text(message),
            stops=tuple(str(stop["what"]) for stop in body["stops"]),
            waiting=sum(1 for clash in body["clashes"] if clash["winner"] is None),
            problems=len(body["problems"]),
        )
    except (KeyError, TypeError, ValueError) as e:
        raise StateError(f"the record of run {run_id} cannot be read: {e}") from e


_NOTHING = Totals()


def _totals(body: Mapping[str, int]) -> Totals:
    """Return the totals; those of a quiet run are shared, as most runs are quiet."""
    return Totals(**body) if any(body.values()) else _NOTHING

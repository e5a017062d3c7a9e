"""Many runs at once in a state, as `apply` would have recorded them one after the other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bm_sync.model.plan import Guard, Stop, Totals
from bm_sync.model.run import ProjectRun, Run, Status
from bm_sync.model.tree import Side
from bm_sync.state import history
from bm_sync.state.store import State
from bm_sync.structs import replace

QUIET = ProjectRun("notes", "a" * 32, Status.IN_SYNC, "", 0.25, files=9, bytes=900)
BUSY = replace(
    QUIET,
    status=Status.CHANGED,
    seconds=2.0,
    totals=Totals(up=3, down=1, delete_local=1, move=2, bytes_up=4000, bytes_down=500),
)
STOPPED = replace(
    QUIET,
    status=Status.STOPPED,
    stops=(Stop(Guard.MAX_DELETE, Side.LOCAL, "9 of 9 files would go", ("a.md",)),),
    exit=3,
)
FAILED = replace(QUIET, status=Status.FAILED, message="cannot reach the store", exit=1)


def iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def run_of(number: int, began: datetime, *projects: ProjectRun, ended: bool = True) -> Run:
    """Return a run of one second that began then."""
    code = max((project.exit for project in projects), default=0)
    return Run(
        id=f"{began:%Y%m%dT%H%M%SZ}-{number:08x}",
        command="bm-sync apply -q --yes",
        started=iso(began),
        ended=iso(began + timedelta(seconds=1)) if ended else "",
        host="laptop",
        manifest="sync.yaml",
        plan_digest="d" * 64,
        exit=code if ended else -1,
        projects=tuple(replace(project, started=iso(began)) for project in projects),
    )


def put(state_dir: Path, runs: Sequence[Run]) -> None:
    """Record runs in one transaction."""
    with State.open(state_dir, clock=time.time) as state, state._db.writing() as connection:
        for run in runs:
            history.begin(connection, run)
            for project in run.projects:
                history.end_project(connection, history.Ended(run.id, project))
            if run.ended:
                history.end(connection, run)


def every(minutes: int, number: int, until: datetime) -> list[datetime]:
    """Return so many times up to `until`, the oldest first."""
    return [until - timedelta(minutes=minutes * back) for back in range(number, 0, -1)]


def utc(*parts: int) -> datetime:
    """Return a time in UTC."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]  # parts of a date

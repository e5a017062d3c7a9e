"""What a long history costs: the size of the state, and what a run with `metrics:` does more.

300 projects every 15 minutes for 30 days, written by the functions that a run writes with; one of
them is then applied for real, with and without metrics, in turn, and its CPU time is taken.
"""

from __future__ import annotations

import os
import resource
from datetime import UTC, datetime, timedelta

from measure import BM_SYNC, Place, Row, fill, pairs

from bm_sync.model.run import ProjectRun, Run, Status
from bm_sync.state import history
from bm_sync.state.store import State
from bm_sync.structs import replace

PROJECTS, DAYS, MINUTES = 300, 30, 15
BEFORE = 391_000_000  # bytes of such a state before most records were condensed


def long_history(place: Place) -> list[Row]:
    """Measure a state of 300 projects, and one project applied beside it."""
    names = [f"p{n:03d}" for n in range(PROJECTS)]
    for name in names:
        fill(place.root / "local" / name, 2, 64)
    lines = [f"  {name}: {{local: ./local/{name}}}" for name in names]
    head = "version: 1\nremotes: {shelf: {type: local, root: ./cloud}}\ndefaults: {remote: shelf}\n"
    for file, more in (("plain.yaml", ""), ("told.yaml", "metrics: ./bm.prom\n")):
        (place.root / file).write_text(head + more + "projects:\n" + "\n".join(lines) + "\n")
    place.run(BM_SYNC, "apply", "--yes", "-f", "plain.yaml")
    _record(place, DAYS)
    size = (place.root / "state" / "state.db").stat().st_size
    plain, told, ratio = pairs(
        lambda: _cpu(place, "plain.yaml"), lambda: _cpu(place, "told.yaml"), 7
    )
    listed, _, _ = pairs(lambda: _cpu(place, "plain.yaml", "status"), lambda: 1.0, 3)
    return [
        Row(
            f"the state of {PROJECTS} projects every {MINUTES} minutes for {DAYS} days",
            f"{size / 1e6:.0f} MB, {BEFORE / size:.0f} x less than {BEFORE / 1e6:.0f} MB",
            ">= 8 x less",
            size * 8 <= BEFORE,
        ),
        Row(
            f"one project of {PROJECTS} applied: CPU with `metrics:` / without",
            f"{ratio:.2f} x ({told:.2f} s / {plain:.2f} s)",
            "<= 1.2 x",
            ratio <= 1.2,
        ),
        Row(
            f"`status` of {PROJECTS} projects with that history: CPU / that apply",
            f"{listed / plain:.2f} x ({listed:.2f} s)",
            "<= 1 x",
            listed <= plain,
        ),
    ]


def _cpu(place: Place, file: str, *words: str) -> float:
    """Return the CPU seconds of one command and of all that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = words or ("apply", "p000", "--yes")
    place.run(BM_SYNC, *command, "-f", file)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _record(place: Place, days: int) -> None:
    """Write the records of quiet runs of the projects that the state knows, in one transaction."""
    now = datetime.now(UTC) - timedelta(minutes=1)
    with State.open(place.root / "state", host="bench") as state:
        known = state.projects()
        with state._db.writing() as connection:  # noqa: SLF001 - many runs in one transaction
            for n in range(days * 24 * 60 // MINUTES, 0, -1):
                at = now - timedelta(minutes=MINUTES * n)
                name, iso = f"{at:%Y%m%dT%H%M%SZ}-{os.urandom(5).hex()}", f"{at:%FT%TZ}"
                run = Run(name, "bm-sync apply", iso, "", "bench", "s.yaml", "d" * 64, -1, ())
                history.begin(connection, run)
                for seen in known:
                    one = ProjectRun(seen.name, seen.key, Status.IN_SYNC, iso, 0.012, files=20)
                    history.end_project(connection, history.Ended(name, replace(one, bytes=20480)))
                history.end(connection, replace(run, ended=iso, exit=0))

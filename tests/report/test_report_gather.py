"""What happened over a time, counted from records; the records are those that `apply` leaves."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from report_history import BUSY, FAILED, QUIET, STOPPED, every, iso, put, run_of, utc

from bm_sync.engine.report import MOST_RUNS, Asked, ReportFacts, durations, gather, grid
from bm_sync.model.config import Placement
from bm_sync.model.period import Endings, PeriodReport, RunEnding, Unit, WorkSums, ending_of
from bm_sync.model.plan import Clash, Totals
from bm_sync.model.report import ProjectStatus
from bm_sync.model.run import ProjectRun, Run, Status
from bm_sync.model.tree import Problem, ProblemKind, Side
from bm_sync.state.store import State
from bm_sync.structs import replace

NOW = utc(2026, 11, 22, 12)
MONTH = timedelta(days=30)
NOTES = ProjectStatus(
    project="notes",
    placement=Placement.SYNCED,
    key="a" * 32,
    local="~/notes",
    remote="shelf:notes",
    mode="two-way",
    last_run=None,
    last_time=None,
    result=None,
    converged=None,
    files=0,
    bytes=0,
    conflicts=0,
)
WORK = replace(NOTES, project="work", key="b" * 32)
CLASH = Clash("c.md", None, None, None, None, None, "changed on both sides; waits")
WAITING = replace(QUIET, status=Status.WAITING, totals=Totals(conflicts=1), clashes=(CLASH,))


def told(
    tmp_path: Path, *runs: Run, rows: tuple[ProjectStatus, ...] = (NOTES,), whole: bool = True
) -> PeriodReport:
    """Return the report of a state with these runs over the last 30 days."""
    put(tmp_path / "state", runs)
    with State.peek(tmp_path / "state") as state:
        past = state.runs_since(iso(NOW - MONTH))
    asked = Asked(NOW - MONTH, NOW, "sync.yaml", "laptop", "1.0")
    return gather(asked, ReportFacts(past, rows, whole=whole))


def hourly(*states: ProjectRun) -> list[Run]:
    """Return a run for each state, one every hour until now."""
    times = every(60, len(states), NOW)
    return [run_of(n, t, s) for n, (t, s) in enumerate(zip(times, states, strict=True))]


def test_every_run_is_counted_once_as_a_whole_and_once_in_each_of_its_projects(
    tmp_path: Path,
) -> None:
    work = replace(QUIET, project="work", key="b" * 32)
    runs = (
        run_of(1, NOW - timedelta(days=9), BUSY, work),
        run_of(2, NOW - timedelta(days=8), FAILED, work),
        run_of(3, NOW - timedelta(days=8, minutes=-5), QUIET, work),
    )
    report = told(tmp_path, *runs, rows=(NOTES, WORK))
    assert report.endings == Endings(in_sync=1, changed=1, failed=1)
    assert report.work == WorkSums(
        up=3, down=1, deleted=1, renamed=2, bytes_up=4000, bytes_down=500
    )
    notes, other = report.projects
    assert (notes.endings, notes.work) == (report.endings, report.work)
    assert (other.endings, other.work) == (Endings(in_sync=3), WorkSums())
    assert (report.unit, len(report.slots)) == (Unit.DAY, 10)
    assert [slot.endings for slot in report.slots[:3]] == [
        Endings(changed=1),
        Endings(in_sync=1, failed=1),
        Endings(),
    ]
    assert notes.worst[:3] == (RunEnding.CHANGED, RunEnding.FAILED, None)
    assert [run.id for run in report.runs] == [run.id for run in reversed(runs)]
    assert [t.what for run in report.runs for t in run.troubles] == ["cannot reach the store"]


def test_what_is_older_than_asked_or_of_another_project_is_left_out(tmp_path: Path) -> None:
    old = run_of(1, NOW - MONTH - timedelta(seconds=1), BUSY)
    first = run_of(4, NOW - MONTH, BUSY)
    assert [run.id for run in told(tmp_path / "edge", old, first).runs] == [first.id]
    other = run_of(2, NOW - timedelta(days=1), replace(BUSY, project="work", key="b" * 32))
    killed = run_of(3, NOW - timedelta(hours=1), ended=False)
    assert told(tmp_path / "one", old, other, killed).ran == 1
    assert told(tmp_path / "two", old, other, killed, whole=False).ran == 0


def test_a_run_that_did_not_end_is_told_as_such_and_says_nothing_about_durations(
    tmp_path: Path,
) -> None:
    report = told(tmp_path, run_of(1, NOW - timedelta(hours=1), BUSY, ended=False))
    assert report.endings == Endings(unfinished=1)
    assert report.durations is None
    assert report.runs[0].exit == -1


def test_a_run_lasts_as_long_as_its_slowest_project_or_as_its_times_say(tmp_path: Path) -> None:
    short, long = run_of(1, NOW - timedelta(hours=2), QUIET), run_of(2, NOW, QUIET)
    report = told(tmp_path, short, replace(long, ended=iso(NOW + timedelta(seconds=40))))
    assert [run.seconds for run in report.runs] == [40, 0.25]


def test_a_conflict_or_a_stop_that_lasts_counts_once_until_it_comes_again(tmp_path: Path) -> None:
    states = (WAITING, WAITING, QUIET, WAITING, STOPPED, STOPPED, QUIET, STOPPED)
    report = told(tmp_path, *hourly(*states))
    assert (report.work.conflicts, report.work.stops) == (2, 2)
    assert (report.endings.waiting, report.endings.stopped) == (3, 3)
    assert sum(slot.work.stops for slot in report.slots) == 2


def test_a_skipped_run_between_does_not_make_a_conflict_new(tmp_path: Path) -> None:
    skipped = replace(QUIET, status=Status.SKIPPED)
    assert told(tmp_path, *hourly(WAITING, skipped, WAITING)).work.conflicts == 1


def test_troubles_are_told_in_words(tmp_path: Path) -> None:
    problems = tuple(Problem(p, Side.LOCAL, ProblemKind.NAME, "odd") for p in "ab")
    partial = replace(WAITING, status=Status.PARTIAL, problems=problems)
    report = told(
        tmp_path,
        run_of(1, NOW - timedelta(hours=2), partial, replace(STOPPED, key="b" * 32)),
        rows=(NOTES, WORK),
    )
    assert [t.what for t in report.runs[0].troubles] == [
        "1 conflict waits; 2 paths were left alone",
        "9 of 9 files would go",
    ]


def test_ten_thousand_runs_are_counted_and_the_newest_are_listed(tmp_path: Path) -> None:
    runs = [run_of(n, t, QUIET) for n, t in enumerate(every(4, 10_000, NOW))]
    report = told(tmp_path, *runs)
    assert (report.ran, len(report.runs)) == (10_000, MOST_RUNS)
    assert report.runs[0].id == runs[-1].id
    assert report.endings.in_sync == sum(s.endings.in_sync for s in report.slots) == 10_000


def test_without_a_run_there_is_one_empty_report(tmp_path: Path) -> None:
    report = told(tmp_path)
    assert (report.ran, report.runs, report.durations) == (0, (), None)
    assert report.projects[0].worst == (None,) * len(report.slots)


def test_names_that_are_not_utf8_come_through(tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9")
    run = run_of(1, NOW - timedelta(hours=1), replace(FAILED, message=odd))
    assert told(tmp_path, run).runs[0].troubles[0].what == odd


@pytest.mark.parametrize(
    "body", ["{", "[]", '{"totals": []}', '{"totals": {"up": "x"}}', '{"stops": [{}]}', "NaN"]
)
def test_a_record_that_cannot_be_read_is_left_out_and_told(tmp_path: Path, body: str) -> None:
    runs = [run_of(n, NOW - timedelta(hours=n), BUSY) for n in (2, 1)]
    put(tmp_path, runs)
    with State.open(tmp_path) as state, state._db.writing() as connection:
        connection.execute("UPDATE run_projects SET body = ? WHERE id = 1", (body,))
    with State.peek(tmp_path) as state:
        found = state.runs_since("2026")
        assert [len(run.projects) for run in found] == [0, 1]
        assert "1 record of" in (state.repaired or "")


@pytest.mark.parametrize("status", Status)
def test_every_status_has_its_group(status: Status) -> None:
    assert ending_of(status) in RunEnding


@pytest.mark.parametrize(
    ("begin", "unit", "first", "number"),
    [
        (utc(2026, 11, 22, 9, 30), Unit.HOUR, utc(2026, 11, 22, 9), 4),
        (utc(2026, 11, 1, 9, 30), Unit.DAY, utc(2026, 11, 1), 22),
        (utc(2026, 6, 3, 9), Unit.WEEK, utc(2026, 6, 1), 25),
        (utc(2023, 12, 31), Unit.MONTH, utc(2023, 12, 1), 36),
        (NOW, Unit.HOUR, NOW, 1),
    ],
)
def test_the_time_is_divided_so_that_each_slot_begins_where_a_person_expects_it(
    begin: datetime, unit: Unit, first: datetime, number: int
) -> None:
    found = grid(begin, NOW)
    assert (found.unit, found.starts[0], len(found.starts)) == (unit, first, number)
    assert (found.at(begin), found.at(NOW)) == (0, number - 1)
    for slot, start in enumerate(found.starts):
        assert found.at(start) == slot
        assert found.at(start - timedelta(seconds=1)) == max(slot - 1, 0)


def test_durations_are_the_ranks_of_what_was_measured() -> None:
    assert durations([]) is None
    found = durations([float(n) for n in range(100, 0, -1)])
    assert found is not None
    assert (found.median_s, found.p95_s, found.longest_s) == (50, 95, 100)

"""Gathers from the records of runs what happened over a time. Pure: the records are given.

A conflict that waits, and a guard that stops a project at every run, count once, when they are met.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import assert_never

from msgspec import Struct, field

from bm_sync.engine.record import iso
from bm_sync.model.period import (
    Drift,
    Durations,
    Endings,
    PeriodReport,
    PeriodSlot,
    ProjectPeriod,
    RunEnding,
    RunLine,
    Trouble,
    Unit,
    WorkSums,
    ending_of,
)
from bm_sync.model.plan import ProjectPlan
from bm_sync.model.report import OpenConflict, ProjectStatus
from bm_sync.state.period import PastProject, PastRun
from bm_sync.structs import replace

_LONGEST = ((Unit.HOUR, timedelta(hours=48)), (Unit.DAY, timedelta(days=92)))
_LONGEST_IN_WEEKS = timedelta(days=2 * 366)
_WEEK = timedelta(days=7)
_MONTHS = 12


class Grid(Struct, frozen=True):
    """The beginnings of the slots, in order; the last one holds the end of the time."""

    unit: Unit
    starts: tuple[datetime, ...]

    def at(self, moment: datetime) -> int:
        """Return the slot that holds `moment`; what is outside belongs to the nearest."""
        return max(bisect_right(self.starts, moment) - 1, 0)


def grid(begin: datetime, end: datetime) -> Grid:
    """Return the slots from `begin` to `end`, both in UTC."""
    unit = _unit(end - begin)
    starts = [_floor(begin, unit)]
    while (following := _next(starts[-1], unit)) <= end:
        starts.append(following)
    return Grid(unit, tuple(starts))


def _unit(length: timedelta) -> Unit:
    for unit, longest in _LONGEST:
        if length <= longest:
            return unit
    return Unit.WEEK if length <= _LONGEST_IN_WEEKS else Unit.MONTH


def _floor(moment: datetime, unit: Unit) -> datetime:
    hour = moment.replace(minute=0, second=0, microsecond=0)
    match unit:
        case Unit.HOUR:
            return hour
        case Unit.DAY:
            return hour.replace(hour=0)
        case Unit.WEEK:
            return hour.replace(hour=0) - timedelta(days=moment.weekday())
        case Unit.MONTH:
            return hour.replace(day=1, hour=0)
        case _:
            assert_never(unit)


def _next(start: datetime, unit: Unit) -> datetime:
    match unit:
        case Unit.HOUR:
            return start + timedelta(hours=1)
        case Unit.DAY:
            return start + timedelta(days=1)
        case Unit.WEEK:
            return start + _WEEK
        case Unit.MONTH:
            years, month = divmod(start.month, _MONTHS)
            return start.replace(year=start.year + years, month=month + 1)
        case _:
            assert_never(unit)


_SERIOUS = tuple(RunEnding)
_P95 = 0.95
_FIELDS = tuple(WorkSums.__struct_fields__)
_NOTHING = WorkSums()


class Sum(Struct):
    """What some runs did together."""

    _endings: dict[RunEnding, int] = field(default_factory=dict)
    _work: list[int] = field(default_factory=lambda: [0] * len(_FIELDS))
    _seconds: list[float] = field(default_factory=list)

    def add(self, ending: RunEnding, work: WorkSums, seconds: float) -> None:
        """Count one run; what was skipped or has not ended says nothing about durations."""
        self._endings[ending] = self._endings.get(ending, 0) + 1
        if work != _NOTHING:
            for number, name in enumerate(_FIELDS):
                self._work[number] += getattr(work, name)
        if ending not in {RunEnding.SKIPPED, RunEnding.UNFINISHED}:
            self._seconds.append(seconds)

    @property
    def endings(self) -> Endings:
        """Return how many ended how."""
        return Endings(**{e.value.replace("-", "_"): n for e, n in self._endings.items()})

    @property
    def work(self) -> WorkSums:
        """Return what was done."""
        return WorkSums(*self._work)

    @property
    def durations(self) -> Durations | None:
        """Return how long they took, None when nothing ran."""
        return durations(self._seconds)


def durations(seconds: Sequence[float]) -> Durations | None:
    """Return the median, the 95th percentile (nearest rank) and the longest, None of nothing."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    high = ordered[ceil(_P95 * len(ordered)) - 1]
    return Durations(ordered[(len(ordered) - 1) // 2], high, ordered[-1])


def together(parts: Sequence[WorkSums]) -> WorkSums:
    """Return the sum of what several did."""
    busy = [part for part in parts if part != _NOTHING]
    if len(busy) <= 1:
        return busy[0] if busy else _NOTHING
    return WorkSums(*(sum(getattr(part, name) for part in busy) for name in _FIELDS))


def worst(endings: Sequence[RunEnding]) -> RunEnding | None:
    """Return the most serious ending, None of nothing."""
    return max(endings, key=_SERIOUS.index, default=None)


MOST_RUNS = 200
_MOST_TROUBLES = 20  # of one run


class Asked(Struct, frozen=True):
    """What the report is about. `since` and `until` are in UTC."""

    since: datetime
    until: datetime
    manifest: str
    host: str
    made_by: str


class ReportFacts(Struct, frozen=True):
    """What the state and a plan tell. `drift` is by project; `no_drift` says why it is empty.

    `whole`: every project counts, so a run that has none is told as well.
    """

    past: Sequence[PastRun]
    rows: Sequence[ProjectStatus]
    conflicts: tuple[OpenConflict, ...] = ()
    drift: Mapping[str, Drift] = field(default_factory=dict)
    no_drift: str | None = None
    whole: bool = True


def gather(asked: Asked, known: ReportFacts) -> PeriodReport:
    """Return the report."""
    keys = {row.key for row in known.rows}
    met = [_met(run, keys) for run in known.past]
    runs = [run for run in _counted(met) if run.parts or (known.whole and not run.past.projects)]
    begin = max(asked.since, min((run.began for run in runs), default=asked.since))
    tally = _tally(runs, grid(begin, asked.until))
    newest = runs[: -MOST_RUNS - 1 : -1]
    return PeriodReport(
        since=iso(asked.since),
        until=iso(asked.until),
        manifest=asked.manifest,
        host=asked.host,
        made_by=asked.made_by,
        unit=tally.grid.unit,
        endings=tally.all.endings,
        work=tally.all.work,
        durations=tally.all.durations,
        slots=tuple(tally.told()),
        projects=tuple(_project(row, tally, known) for row in known.rows),
        conflicts=known.conflicts,
        runs=tuple(_line(run) for run in newest),
        more_runs=len(runs) - len(newest),
        no_drift=known.no_drift,
    )


def drift(plan: ProjectPlan) -> Drift:
    """Return what a plan says of a project, without its actions."""
    return Drift(
        in_sync=plan.in_sync,
        totals=plan.totals,
        waiting=sum(1 for clash in plan.clashes if clash.winner is None),
        problems=len(plan.problems),
        stops=tuple(stop.what for stop in plan.stops),
        notes=plan.notes,
        failure=plan.failure,
        hint=plan.failure_hint,
    )


class _Part(Struct, frozen=True):
    """A project's part of a run."""

    past: PastProject
    ending: RunEnding
    work: WorkSums


class _Met(Struct, frozen=True):
    """A run with the projects that count."""

    past: PastRun
    began: datetime
    parts: tuple[_Part, ...]

    @property
    def ending(self) -> RunEnding:
        """Return how the run ended: as its most serious project."""
        if not self.past.ended:
            return RunEnding.UNFINISHED
        found = worst([part.ending for part in self.parts])
        return found or (RunEnding.FAILED if self.past.exit else RunEnding.IN_SYNC)

    @property
    def seconds(self) -> float:
        """Return how long it took.

        Its own times are whole seconds; of a short run its slowest project knows better.
        """
        if not self.past.ended:
            return 0.0
        whole = (datetime.fromisoformat(self.past.ended) - self.began).total_seconds()
        slowest = max((part.past.seconds for part in self.parts), default=whole)
        return slowest if whole <= 1 else max(whole, slowest)

    @property
    def work(self) -> WorkSums:
        """Return what it did."""
        return together([part.work for part in self.parts])


def _met(run: PastRun, keys: set[str | None]) -> _Met:
    parts = tuple(
        _Part(project, ending_of(project.status), _work(project))
        for project in run.projects
        if project.key in keys
    )
    return _Met(run, datetime.fromisoformat(run.started), parts)


def _work(project: PastProject) -> WorkSums:
    totals = project.totals
    return WorkSums(
        up=totals.up,
        down=totals.down,
        deleted=totals.delete_local + totals.delete_remote,
        renamed=totals.move,
        bytes_up=totals.bytes_up,
        bytes_down=totals.bytes_down,
        conflicts=totals.conflicts,
        stops=1 if project.stops else 0,
        retries=project.retries,
    )


def _counted(runs: Sequence[_Met]) -> Iterator[_Met]:
    """Yield the runs, with what the run before had met of a project counted no more."""
    before: dict[str, PastProject] = {}
    for run in runs:
        parts = tuple(_new(part, before.get(part.past.key)) for part in run.parts)
        before |= {
            part.past.key: part.past for part in parts if part.ending is not RunEnding.SKIPPED
        }
        yield _Met(run.past, run.began, parts)


def _new(part: _Part, before: PastProject | None) -> _Part:
    if before is None or not (part.past.waiting or part.past.stops):
        return part
    known = min(part.past.waiting, before.waiting)
    stops = 0 if before.stops else part.work.stops
    conflicts = max(part.work.conflicts - known, 0)
    return _Part(part.past, part.ending, replace(part.work, conflicts=conflicts, stops=stops))


class _Tally(Struct):
    """The sums over all, by slot and by project."""

    grid: Grid
    all: Sum
    slots: list[Sum]
    projects: dict[str, Sum] = field(default_factory=dict)
    worst: dict[tuple[str, int], RunEnding] = field(default_factory=dict)

    def count(self, run: _Met) -> None:
        """Count one run."""
        slot, work = self.grid.at(run.began), run.work
        for total in (self.all, self.slots[slot]):
            total.add(run.ending, work, run.seconds)
        for part in run.parts:
            key = part.past.key
            self.projects.setdefault(key, Sum()).add(part.ending, part.work, part.past.seconds)
            known = self.worst.get((key, slot), part.ending)
            self.worst[key, slot] = worst([known, part.ending]) or part.ending

    def told(self) -> Iterator[PeriodSlot]:
        """Yield the slots."""
        for start, total in zip(self.grid.starts, self.slots, strict=True):
            yield PeriodSlot(iso(start), total.endings, total.work, total.durations)


def _tally(runs: Sequence[_Met], division: Grid) -> _Tally:
    tally = _Tally(division, Sum(), [Sum() for _ in division.starts])
    for run in runs:
        tally.count(run)
    return tally


def _project(row: ProjectStatus, tally: _Tally, known: ReportFacts) -> ProjectPeriod:
    key = row.key or ""
    total = tally.projects.get(key, Sum())
    return ProjectPeriod(
        now=row,
        endings=total.endings,
        work=total.work,
        durations=total.durations,
        worst=tuple(tally.worst.get((key, slot)) for slot in range(len(tally.slots))),
        drift=known.drift.get(row.project) if row.placement and not row.elsewhere else None,
    )


def _line(run: _Met) -> RunLine:
    troubles = tuple(trouble for part in run.parts for trouble in _troubles(part))
    return RunLine(
        id=run.past.id,
        command=run.past.command,
        host=run.past.host,
        started=run.past.started,
        seconds=run.seconds,
        ending=run.ending,
        exit=run.past.exit,
        projects=len(run.parts),
        work=run.work,
        troubles=troubles[:_MOST_TROUBLES],
    )


def _troubles(part: _Part) -> Iterator[Trouble]:
    if part.ending in {RunEnding.IN_SYNC, RunEnding.CHANGED}:
        return
    past = part.past
    said = [past.message] if past.message else []
    said += past.stops
    if past.waiting:
        said.append(_some(past.waiting, "conflict waits", "conflicts wait"))
    if past.problems:
        said.append(_some(past.problems, "path was left alone", "paths were left alone"))
    yield Trouble(past.project, past.status, "; ".join(said) or past.status.value)


def _some(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"

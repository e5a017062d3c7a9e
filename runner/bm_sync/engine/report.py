"""Gathers from the records of runs what happened over a time. Pure: the records are given.

A conflict that waits, and a guard that stops a project at every run, count once, when they are met.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from msgspec import Struct, field

from bm_sync.engine.record import iso
from bm_sync.engine.report_grid import Grid, grid
from bm_sync.engine.report_sums import Sum, together, worst
from bm_sync.model.period import (
    Drift,
    Ending,
    ProjectPeriod,
    Report,
    RunLine,
    Slot,
    Trouble,
    Work,
    ending_of,
)
from bm_sync.model.plan import ProjectPlan
from bm_sync.model.report import OpenConflict, ProjectStatus
from bm_sync.state.period import PastProject, PastRun
from bm_sync.structs import replace

MOST_RUNS = 200
_MOST_TROUBLES = 20  # of one run


class Asked(Struct, frozen=True):
    """What the report is about. `since` and `until` are in UTC."""

    since: datetime
    until: datetime
    manifest: str
    host: str
    made_by: str


class Known(Struct, frozen=True):
    """What the state and a plan tell. `drift` is by project; `no_drift` says why it is empty.

    `whole`: every project counts, so a run that has none is told as well.
    """

    past: Sequence[PastRun]
    rows: Sequence[ProjectStatus]
    conflicts: tuple[OpenConflict, ...] = ()
    drift: Mapping[str, Drift] = field(default_factory=dict)
    no_drift: str | None = None
    whole: bool = True


def gather(asked: Asked, known: Known) -> Report:
    """Return the report."""
    keys = {row.key for row in known.rows}
    met = [_met(run, keys) for run in known.past]
    runs = [run for run in _counted(met) if run.parts or (known.whole and not run.past.projects)]
    begin = max(asked.since, min((run.began for run in runs), default=asked.since))
    tally = _tally(runs, grid(begin, asked.until))
    newest = runs[: -MOST_RUNS - 1 : -1]
    return Report(
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
    ending: Ending
    work: Work


class _Met(Struct, frozen=True):
    """A run with the projects that count."""

    past: PastRun
    began: datetime
    parts: tuple[_Part, ...]

    @property
    def ending(self) -> Ending:
        """Return how the run ended: as its most serious project."""
        if not self.past.ended:
            return Ending.UNFINISHED
        found = worst([part.ending for part in self.parts])
        return found or (Ending.FAILED if self.past.exit else Ending.IN_SYNC)

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
    def work(self) -> Work:
        """Return what it did."""
        return together([part.work for part in self.parts])


def _met(run: PastRun, keys: set[str | None]) -> _Met:
    parts = tuple(
        _Part(project, ending_of(project.status), _work(project))
        for project in run.projects
        if project.key in keys
    )
    return _Met(run, datetime.fromisoformat(run.started), parts)


def _work(project: PastProject) -> Work:
    totals = project.totals
    return Work(
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
        before |= {part.past.key: part.past for part in parts if part.ending is not Ending.SKIPPED}
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
    worst: dict[tuple[str, int], Ending] = field(default_factory=dict)

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

    def told(self) -> Iterator[Slot]:
        """Yield the slots."""
        for start, total in zip(self.grid.starts, self.slots, strict=True):
            yield Slot(iso(start), total.endings, total.work, total.durations)


def _tally(runs: Sequence[_Met], division: Grid) -> _Tally:
    tally = _Tally(division, Sum(), [Sum() for _ in division.starts])
    for run in runs:
        tally.count(run)
    return tally


def _project(row: ProjectStatus, tally: _Tally, known: Known) -> ProjectPeriod:
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
    if part.ending in {Ending.IN_SYNC, Ending.CHANGED}:
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

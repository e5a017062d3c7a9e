"""How a project stands now, in a few words, and what needs a person; for every form of a report."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct

from bm_sync.cli.render.counts import cells, moved_bytes
from bm_sync.cli.render.text import count
from bm_sync.cli.render.view import View
from bm_sync.model.period import Drift, PeriodReport, ProjectPeriod, RunEnding, ending_of
from bm_sync.model.run import Status


class Tone(StrEnum):
    """How serious it is."""

    GOOD = "good"
    BUSY = "busy"  # something would move
    ASKS = "asks"  # a person is needed
    BAD = "bad"
    NONE = "none"  # nothing is known, or nothing is to be said


class Standing(Struct, frozen=True):
    """How a project stands, in words that are not escaped yet."""

    tone: Tone
    words: str


class Need(Struct, frozen=True):
    """What keeps a project from being in sync, and the command to run next."""

    project: str
    what: str
    command: str | None


def standing(project: ProjectPeriod) -> Standing:
    """Return how a project stands: as a plan says, or as its last run left it."""
    if project.now.elsewhere is not None:
        return Standing(Tone.NONE, "for another machine")
    if project.now.placement is None:
        return Standing(Tone.NONE, "undeclared")
    if project.drift is not None:
        return _planned(project.drift)
    if project.now.result is None:
        return Standing(Tone.NONE, "never synced")
    status = Status(project.now.result)
    return Standing(_TONES[ending_of(status)], status.means.words)


def _planned(drift: Drift) -> Standing:
    if drift.failure is not None:
        return Standing(Tone.BAD, "cannot be planned")
    if drift.stops:
        return Standing(Tone.BAD, "stopped by a guard")
    if drift.waiting:
        return Standing(Tone.ASKS, count(drift.waiting, "conflict waits", "conflicts wait"))
    if drift.in_sync:
        return Standing(Tone.GOOD, "in sync")
    if drift.problems:
        left = count(drift.problems, "path is left alone", "paths are left alone")
        return Standing(Tone.ASKS, left)
    figures = [f"{number:,} {word}" for number, word in cells(drift.totals)]
    return Standing(Tone.BUSY, ", ".join([*figures, moved_bytes(drift.totals)]).rstrip(", "))


_TONES = {
    RunEnding.SKIPPED: Tone.NONE,
    RunEnding.IN_SYNC: Tone.GOOD,
    RunEnding.CHANGED: Tone.GOOD,
    RunEnding.INTERRUPTED: Tone.NONE,  # somebody did so and knows
    RunEnding.WAITING: Tone.ASKS,
    RunEnding.PARTIAL: Tone.BAD,
    RunEnding.STOPPED: Tone.BAD,
    RunEnding.SIDE_MISSING: Tone.BAD,
    RunEnding.UNFINISHED: Tone.ASKS,  # it may still run
    RunEnding.FAILED: Tone.BAD,
}


def ending_words(ending: RunEnding) -> str:
    """Return how a run ended, in words."""
    if ending is RunEnding.UNFINISHED:
        return "did not end"
    status = Status(ending.value)
    return status.means.words if status.good else status.means.counted


def tone(ending: RunEnding) -> Tone:
    """Return how serious an ending is."""
    return _TONES[ending]


def needs(report: PeriodReport, view: View) -> tuple[Need, ...]:
    """Return what needs a person now, in the order of the projects."""
    return tuple(need for project in report.projects for need in _needs(project, view))


def _needs(project: ProjectPeriod, view: View) -> Iterator[Need]:
    now = project.now
    if now.placement is None or now.elsewhere is not None:
        return
    name, drift = now.project, project.drift
    if drift is not None and drift.failure is not None:
        hint = f" ({drift.hint})" if drift.hint else ""
        yield Need(name, f"{drift.failure}{hint}", view.command("plan", name))
        return
    if drift is not None:
        for stop in drift.stops:
            yield Need(name, stop, view.command("plan", name))
        if drift.problems:
            left = count(drift.problems, "path is left alone", "paths are left alone")
            yield Need(name, left, view.command("plan", name))
    if now.conflicts:
        open_ones = count(now.conflicts, "conflict that nobody has settled", _MANY_CONFLICTS)
        yield Need(name, open_ones, view.command("conflicts", name))
    elif drift is not None and drift.waiting:
        waiting = count(drift.waiting, "conflict waits", "conflicts wait")
        yield Need(name, f"{waiting} for a decision", view.command("apply", name))
    if drift is None and now.result is not None and standing(project).tone is Tone.BAD:
        said = now.message or f"the last run of it ended: {standing(project).words}"
        yield Need(name, said, view.command("apply", name))


_MANY_CONFLICTS = "conflicts that nobody has settled"


def headline(report: PeriodReport) -> Standing:
    """Return how all projects stand together, in one sentence."""
    tones = [standing(project).tone for project in _here(report)]
    if not tones:
        return Standing(Tone.NONE, "No project is declared for this machine")
    number = len(tones)
    if all(each is Tone.GOOD for each in tones):
        every = "The project is in sync" if number == 1 else f"All {number} projects are in sync"
        return Standing(Tone.GOOD, every)
    gravest = next(each for each, _ in _ASIDE if each in tones)
    return Standing(gravest, f"{tones.count(Tone.GOOD)} of {count(number, 'project')} in sync")


def others(report: PeriodReport) -> str:
    """Return how many projects are not in sync for which reason; "" when all are."""
    tones = [standing(project).tone for project in _here(report)]
    return ", ".join(f"{tones.count(e)} {words}" for e, words in _ASIDE if e in tones)


def _here(report: PeriodReport) -> list[ProjectPeriod]:
    """Return the projects that are declared for this machine."""
    declared = (p for p in report.projects if p.now.placement is not None)
    return [p for p in declared if p.now.elsewhere is None]


_ASIDE = (
    (Tone.BAD, "in trouble"),
    (Tone.ASKS, "waiting for you"),
    (Tone.BUSY, "with something to move"),
    (Tone.NONE, "not seen yet"),
)


def well(project: ProjectPeriod) -> str:
    """Return the share of runs that left a project in sync; skipped ones are none."""
    ended = project.endings
    good = ended.in_sync + ended.changed
    asked = ended.waiting + ended.stopped + ended.side_missing
    tried = good + asked + ended.partial + ended.unfinished + ended.failed
    if not tried:
        return "-"
    return "100 %" if good == tried else f"{min(good / tried * 100, 99.9):.1f} %"

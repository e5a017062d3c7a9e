"""The projects that are watched, and whose turn it is."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from bm_sync.engine import watch_clock
from bm_sync.engine.watch_clock import Ending, Instant, Turn
from bm_sync.engine.watch_memory import is_other, kept_waiting, last_runs
from bm_sync.engine.watch_news import Happening, relevant
from bm_sync.engine.watch_told import meaning
from bm_sync.model.config import Project
from bm_sync.model.setup import Setup
from bm_sync.model.watch import Pace, Reason


class Roster:
    """Every watched project with its turn and with what happened in its folder."""

    def __init__(
        self, setup: Setup, pace: Pace, share: Callable[[], float] = random.random
    ) -> None:
        self._setup = setup
        self._pace = pace
        self._share = share
        self._projects: dict[str, Project] = {}
        self._turns: dict[str, Turn] = {}
        self._happened: dict[str, set[Happening]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Return the projects' names."""
        return tuple(self._projects)

    def take(self, projects: Sequence[Project], now: Instant) -> None:
        """Watch exactly these; those that are new or declared otherwise are due at once."""
        last = last_runs(projects, self._setup)
        self._turns = {p.name: self._taken(p, now, last.get(p.name)) for p in projects}
        self._projects = {p.name: p for p in projects}

    def _taken(self, project: Project, now: Instant, last: datetime | None) -> Turn:
        old, turn = self._projects.get(project.name), self._turns.get(project.name)
        timing = project.schedule, now, self._pace
        if old is None or turn is None:
            return watch_clock.begun(*timing, last=last, share=self._share())
        turn = watch_clock.rescheduled(turn, *timing, self._share())
        if meaning(old) == meaning(project):
            return turn
        return watch_clock.asked(turn, Reason.START)

    def tick(self, before: Instant, now: Instant) -> None:
        """Let time go on from one look to the next."""
        self._turns = {
            name: watch_clock.ticked(turn, before, now, self._pace)
            for name, turn in self._turns.items()
        }

    def ask(self, names: Iterable[str], reason: Reason) -> None:
        """Let projects be due at once."""
        for name in names:
            if name in self._turns:
                self._turns[name] = watch_clock.asked(self._turns[name], reason)

    def hear(self, arrived: Mapping[str, Sequence[Happening]], now: Instant) -> None:
        """Note what happened in folders, as far as it matters."""
        for name, happened in arrived.items():
            project = self._projects.get(name)
            if project is None or project.local is None:
                continue
            found = relevant(project.local, project.filters, happened)
            if found:
                self._happened.setdefault(name, set()).update(found)
                self._turns[name] = watch_clock.touched(self._turns[name], now)

    def roots(self) -> dict[str, Path]:
        """Return the local folders."""
        return {name: p.local for name, p in self._projects.items() if p.local is not None}

    async def due(self, now: Instant) -> dict[str, Reason]:
        """Return which projects are to be synced now, and why."""
        found = {}
        for name, project in self._projects.items():
            turn = self._turns[name]
            reason = watch_clock.due(turn, now, self._pace)
            if turn.asked is None and reason is Reason.CHANGE and not self._is_news(project):
                self._turns[name] = watch_clock.untouched(turn)
            elif reason is Reason.RETRY and turn.waiting and await self._waits_on(project):
                self._turns[name] = watch_clock.postponed(turn, now)
            elif reason is not None:
                found[name] = reason
        return found

    def _is_news(self, project: Project) -> bool:
        happened = self._happened.pop(project.name, set())
        return is_other(project, happened, self._setup)

    async def _waits_on(self, project: Project) -> bool:
        return await kept_waiting(project, self._setup)

    def begin(self, names: Iterable[str]) -> tuple[Project, ...]:
        """Return the projects of a round that begins, which sees what happened until now."""
        projects = tuple(self._projects[name] for name in names if name in self._projects)
        for project in projects:
            self._happened.pop(project.name, None)
        return projects

    def end(self, ends: Mapping[str, Ending], began: Instant, now: Instant) -> None:
        """Note how a round ended for each of its projects."""
        for name, how in ends.items():
            result = how, self._share()
            self._turns[name] = watch_clock.ended(self._turns[name], began, now, self._pace, result)

    def wait_s(self, now: Instant) -> float | None:
        """Return how many seconds it is until something may be due."""
        return watch_clock.wait_s(self._turns.values(), now, self._pace)

    def status(self) -> str:
        """Return how it stands, in one line."""
        number = len(self._projects)
        failing = sum(1 for turn in self._turns.values() if turn.failures)
        said = f"watching {number} project{'' if number == 1 else 's'}"
        return f"{said}, {failing} failing" if failing else said

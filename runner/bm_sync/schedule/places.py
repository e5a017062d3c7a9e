"""Where timers are put, for each service that can start them: what is there, and changing it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from bm_sync.errors import BmSyncError
from bm_sync.model.schedule import TimerState, TimerUnit
from bm_sync.schedule import cron, launchd, systemd
from bm_sync.schedule.programs import Programs, remove, texts, write
from bm_sync.schedule.timer import Timer, prefix

_TIMER = ".timer"


class TimerService(Protocol):
    """One service that starts runs, with everything of one manifest that it knows."""

    def wanted(self, timers: Sequence[Timer]) -> tuple[TimerUnit, ...]:
        """Return the units that the timers need."""

    def found(self, manifest: Path) -> Mapping[str, str]:
        """Return the texts of the units of a manifest that are there, by their names."""

    def put(
        self, units: Sequence[TimerUnit], changed: Collection[str], gone: Collection[str]
    ) -> None:
        """Make `units` all that is there: `changed` are new or differ, `gone` are to go."""

    def standing(self, timers: Sequence[Timer], manifest: Path) -> Mapping[str, TimerState]:
        """Return how every timer stands, declared or found."""


class SystemdPlace(Struct, frozen=True):
    """The units of a user's service manager, or of the system's."""

    programs: Programs
    folder: Path
    system: bool

    def wanted(self, timers: Sequence[Timer]) -> tuple[TimerUnit, ...]:
        """Return a service and a timer for each."""
        return tuple(unit for t in timers for unit in systemd.units(t, system=self.system))

    def found(self, manifest: Path) -> dict[str, str]:
        """Return the unit files that carry the mark of the manifest."""
        mine = texts(self.folder, prefix(manifest), (".service", _TIMER))
        return {n: t for n, t in mine.items() if t.startswith(systemd.mark(manifest) + "\n")}

    def put(
        self, units: Sequence[TimerUnit], changed: Collection[str], gone: Collection[str]
    ) -> None:
        """Write and remove unit files; enable and start the timers.

        Without a service manager that answers they are only enabled: it starts them when it begins.
        """
        awake = self.is_awake()
        old = [name for name in gone if name.endswith(_TIMER)]
        if old:
            self._systemctl("disable", *(["--now"] if awake else []), *old)
        for name in gone:
            remove(self.folder / name)
        for unit in units:
            if unit.name in changed:
                write(self.folder / unit.name, unit.text)
        if awake and (changed or gone):
            self._systemctl("daemon-reload")
        timers = [unit.name for unit in units if unit.name.endswith(_TIMER)]
        if timers:
            self._systemctl("enable", *timers)
        fresh = [name for name in timers if name in changed]
        if awake and fresh:
            self._systemctl("restart", *fresh)
        if awake and timers:
            self._systemctl("start", *timers)

    def standing(self, timers: Sequence[Timer], manifest: Path) -> dict[str, TimerState]:
        """Return how every timer stands; one that does not wait for its time is stopped."""
        there = self.found(manifest)
        known = {timer.name for timer in timers}
        told = {
            timer.name: _compared(systemd.units(timer, system=self.system), there)
            for timer in timers
        }
        right = [name for name, how in told.items() if how is TimerState.INSTALLED]
        waiting = self._waiting(right)
        told |= {name: TimerState.STOPPED for name in right if name not in waiting}
        others = {name.rpartition(".")[0] for name in there} - known
        return told | dict.fromkeys(sorted(others), TimerState.UNDECLARED)

    def is_awake(self) -> bool:
        """Return whether the service manager answers."""
        state = self.programs.ask(*self._begin(), "is-system-running").out.strip()
        return state not in {"", "offline", "unknown"}

    def _waiting(self, names: Sequence[str]) -> set[str]:
        if not names:
            return set()
        files = [f"{name}{_TIMER}" for name in names]
        said = self.programs.ask(*self._begin(), "is-active", *files).out.split("\n")
        return {name for name, state in zip(names, said, strict=False) if state == "active"}

    def _systemctl(self, *words: str) -> None:
        self.programs.run(*self._begin(), *words)

    def _begin(self) -> tuple[str, ...]:
        return ("systemctl",) if self.system else ("systemctl", "--user")


class LaunchdPlace(Struct, frozen=True):
    """The agents of a user; `domain` is the user's, `gui/501`."""

    programs: Programs
    folder: Path
    domain: str

    def wanted(self, timers: Sequence[Timer]) -> tuple[TimerUnit, ...]:
        """Return an agent for each."""
        return tuple(launchd.unit(timer) for timer in timers)

    def found(self, manifest: Path) -> dict[str, str]:
        """Return the agents that name the manifest."""
        mine = texts(self.folder, prefix(manifest), (".plist",))
        return {n: t for n, t in mine.items() if launchd.manifest_of(t) == manifest}

    def put(
        self, units: Sequence[TimerUnit], changed: Collection[str], gone: Collection[str]
    ) -> None:
        """Write and remove agents, and have launchd read them."""
        for name in (*gone, *changed):
            self.programs.ask("launchctl", "bootout", f"{self.domain}/{_label(name)}")
        for name in gone:
            remove(self.folder / name)
        for unit in units:
            if unit.name in changed:
                write(self.folder / unit.name, unit.text)
            if not self._is_loaded(unit.name):
                file = str(self.folder / unit.name)
                self.programs.run("launchctl", "bootstrap", self.domain, file)

    def standing(self, timers: Sequence[Timer], manifest: Path) -> dict[str, TimerState]:
        """Return how every agent stands; one that launchd has not read is stopped."""
        there = self.found(manifest)
        told = {}
        for timer in timers:
            unit = launchd.unit(timer)
            how = _compared((unit,), there)
            idle = how is TimerState.INSTALLED and not self._is_loaded(unit.name)
            told[timer.name] = TimerState.STOPPED if idle else how
        others = {_label(name) for name in there} - told.keys()
        return told | dict.fromkeys(sorted(others), TimerState.UNDECLARED)

    def _is_loaded(self, name: str) -> bool:
        return not self.programs.ask("launchctl", "print", f"{self.domain}/{_label(name)}").code


class CronPlace(Struct, frozen=True):
    """The crontab of the user, of which one block is ours."""

    programs: Programs
    manifest: Path

    def wanted(self, timers: Sequence[Timer]) -> tuple[TimerUnit, ...]:
        """Return the block, as one unit."""
        return (TimerUnit("crontab", cron.block(timers)),) if timers else ()

    def found(self, manifest: Path) -> dict[str, str]:
        """Return the block that is there."""
        there = cron.block_of(self._crontab(), manifest)
        return {"crontab": there} if there else {}

    def put(
        self, units: Sequence[TimerUnit], changed: Collection[str], gone: Collection[str]
    ) -> None:
        """Put the block into the crontab, or take it out."""
        if changed or gone:
            new = "".join(unit.text for unit in units)
            text = cron.with_block(self._crontab(), self.manifest, new)
            self.programs.run("crontab", "-", stdin=text)

    def standing(self, timers: Sequence[Timer], manifest: Path) -> dict[str, TimerState]:
        """Return how every line of the block stands."""
        there = cron.parts(cron.block_of(self._crontab(), manifest))
        wanted = cron.parts(cron.block(timers))
        told = {name: TimerState.MISSING for name in wanted if name not in there}
        told |= {n: TimerState.INSTALLED for n in wanted if there.get(n) == wanted[n]}
        told |= {n: TimerState.DIFFERS for n in wanted if there.get(n, wanted[n]) != wanted[n]}
        return told | {n: TimerState.UNDECLARED for n in there if n not in wanted}

    def _crontab(self) -> str:
        done = self.programs.ask("crontab", "-l")
        if done.code and "no crontab for" not in done.said:
            raise BmSyncError(f"crontab -l failed: {done.said or done.code}")
        return done.out if not done.code else ""


def _compared(units: Sequence[TimerUnit], there: Mapping[str, str]) -> TimerState:
    if not any(unit.name in there for unit in units):
        return TimerState.MISSING
    same = all(there.get(unit.name) == unit.text for unit in units)
    return TimerState.INSTALLED if same else TimerState.DIFFERS


def _label(name: str) -> str:
    return name.removesuffix(".plist")

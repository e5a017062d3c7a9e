"""What one timer starts, and when. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from bm_sync.errors import UsageError
from bm_sync.model.config import Manifest
from bm_sync.model.schedule import Schedule

_ID_LENGTH = 8
_HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_FILES = (".yaml", ".yml", ".plan", ".json")


class TimerHost(Struct, frozen=True):
    """What the timers of a manifest share.

    `command` is the command line up to the projects, `manifest` the absolute path it names. `user`
    is who runs it, `host` where; `state` is the state directory. `env` are variables that the
    command needs beside those that every timer has.
    """

    command: tuple[str, ...]
    manifest: Path
    user: str
    host: str
    state: Path
    env: tuple[tuple[str, str], ...] = ()


class Timer(Struct, frozen=True):
    """One schedule of a manifest with all projects that have it.

    `name` is that of its files, without an ending; `names` are where the manifest says it. A run
    writes to the folders `writable` only.
    """

    name: str
    schedule: Schedule
    projects: tuple[str, ...]
    machine: TimerHost
    writable: tuple[Path, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Return one line that tells a person what this is."""
        most = 4
        some = ", ".join(self.projects[:most])
        rest = len(self.projects) - most
        return f"bm-sync {self.schedule.said}: {some}" + (f" and {rest} more" if rest > 0 else "")

    def words(self, names: Sequence[str] | None = None) -> tuple[str, ...]:
        """Return the command line that syncs what has these schedules when it runs.

        It names no project, so that one that is removed, renamed or new needs no other timer.
        """
        said = self.names if names is None else names
        return (*self.machine.command, *(f"--schedule={name}" for name in said))

    def project_words(self) -> tuple[str, ...]:
        """Return the command line that syncs exactly these projects."""
        return (*self.machine.command, *(_as_name(name) for name in self.projects))


Folders = Mapping[str, Sequence[Path]]
"""The folders that a run of each project writes to, by its name."""


def timers(manifest: Manifest, machine: TimerHost, writable: Folders) -> tuple[Timer, ...]:
    """Return one timer for each distinct schedule, in the order of the projects.

    Raises UsageError when a path has characters that no timer's file can hold.
    """
    found: dict[Schedule, list[str]] = {}
    said: dict[Schedule, dict[str, None]] = {}
    for project in manifest.projects:
        if project.schedule is not None:
            found.setdefault(project.schedule, []).append(project.name)
            said.setdefault(project.schedule, {})[project.schedule.name] = None
    begin = prefix(machine.manifest)
    made = tuple(
        Timer(
            f"{begin}{_label(schedule)}",
            schedule,
            tuple(names),
            machine,
            tuple(dict.fromkeys(folder for name in names for folder in writable[name])),
            tuple(said[schedule]),
        )
        for schedule, names in found.items()
    )
    for timer in made:
        values = (value for _, value in machine.env)
        check_paths((*machine.command, str(machine.state), *values, *map(str, timer.writable)))
    return made


def check_paths(paths: Sequence[str]) -> None:
    """Raise UsageError for a path with characters that no timer's file can hold."""
    for path in paths:
        if _HIDDEN.search(path):
            what = f"no timer can name the path {path!a}"
            raise UsageError(what, hint="rename it: it has a control character or is not UTF-8")


def prefix(manifest: Path) -> str:
    """Return what the names of all timers of a manifest begin with."""
    return f"bm-sync-{_digest(str(manifest))}-"


def delay_s(timer: Timer) -> int:
    """Return this machine's share of the jitter, for timers that cannot draw one: always the same.

    Machines differ by their names, so they spread over the jitter as if it was drawn.
    """
    seed = f"{timer.machine.host}\0{timer.name}"
    drawn = int(hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()[:12], 16)
    return drawn % (timer.schedule.jitter_s + 1)


def _label(schedule: Schedule) -> str:
    """Return a name for a schedule: readable, and another one for every other schedule."""
    said = re.sub(r"[^a-z0-9]+", "-", schedule.said.lower()).strip("-")[:24].strip("-")
    meaning = (schedule.calendars, schedule.jitter_s, schedule.catch_up)
    return f"{said}-{_digest(repr(meaning))[:4]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_ID_LENGTH]


def _as_name(project: str) -> str:
    """Return a word that the command line takes for this project and for no file.

    One that ends like a file is written as a pattern that only this name fits.
    """
    if not project.lower().endswith(_FILES):
        return project
    return f"{project[:-1]}[{project[-1]}]"

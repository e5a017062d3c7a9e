"""What jobs of a cluster have in common, whatever runs them. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from bm_sync.errors import UsageError
from bm_sync.model.config import Manifest, Project
from bm_sync.model.schedule import Schedule
from bm_sync.schedule.calendar import cron
from bm_sync.schedule.timer import TimerHost, prefix, timers
from bm_sync.structs import replace

NAME = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?")
_NOWHERE = Path("/")


class Bundle(Struct, frozen=True):
    """A manifest that goes to a cluster.

    `name` begins the names of everything that is made. `files` are the manifest's, by their paths
    relative to its folder, itself first. `env` are the variables that its secrets come from.
    `notes` are told to who reads the texts.
    """

    name: str
    files: tuple[tuple[str, str], ...]
    env: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Job(Struct, frozen=True):
    """One schedule of a manifest; `words` are the command that syncs its projects."""

    name: str
    title: str
    schedule: Schedule
    words: tuple[str, ...]

    @property
    def crons(self) -> tuple[str, ...]:
        """Return the crontab fields of the schedule; most have one line of them."""
        return tuple(cron(calendar) for calendar in self.schedule.calendars)


def jobs(
    manifest: Manifest, projects: Sequence[Project], name: str, command: Sequence[str]
) -> tuple[Job, ...]:
    """Return one job for each distinct schedule; `command` is what comes before the projects.

    Raises UsageError when none of them has a schedule, or for a name that no cluster takes.
    """
    if NAME.fullmatch(name) is None:
        what = f"{name!r} cannot begin the names of jobs"
        raise UsageError(what, hint="small letters, digits and dashes, 20 at most, such as bm-sync")
    machine = TimerHost(tuple(command), _NOWHERE, "", "", _NOWHERE)
    scheduled = tuple(project for project in projects if project.schedule is not None)
    narrow = replace(manifest, projects=scheduled)
    found = timers(narrow, machine, {project.name: () for project in scheduled})
    if not found:
        hint = "write schedule: {every: 15m} into defaults or into a project"
        raise UsageError("none of these projects has a schedule", hint=hint)
    begin = prefix(_NOWHERE)
    return tuple(
        Job(f"{name}-{t.name.removeprefix(begin)}", t.title, t.schedule, t.project_words())
        for t in found
    )

"""When projects are synced by themselves.

Every way to say it (`every`, `at`, `cron`) ends in one form, the calendar: each kind of timer is
written from that, so that all of them mean the same. Nothing here knows a timer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from msgspec import Struct

from bm_sync.model.origin import BUILT_IN, Origin


class Calendar(Struct, frozen=True):
    """Points in local time, as the five fields of a crontab line say them.

    Each field holds its numbers in order, None for any; Sunday is 0. Where both `days` and
    `weekdays` are given, a day that fits either counts (POSIX, crontab).
    """

    minutes: tuple[int, ...] | None
    hours: tuple[int, ...] | None
    days: tuple[int, ...] | None = None
    months: tuple[int, ...] | None = None
    weekdays: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a project is synced.

    `said` is how the manifest says it (`every 15m`), `name` where: `defaults`, `tag:NAME` or
    `project:NAME`, by which a timer asks for the projects that have it at that moment. A run begins
    up to `jitter_s` seconds late. `catch_up` makes up for a run that was missed while the machine
    was off. Two schedules that mean the same are equal, wherever and however they are said.
    """

    said: str = field(compare=False)
    calendars: tuple[Calendar, ...]
    jitter_s: int = 0
    catch_up: bool = True
    name: str = field(default="", compare=False)
    origin: Origin = field(default=BUILT_IN, compare=False)


class TimerTarget(StrEnum):
    """What starts the runs."""

    SYSTEMD = "systemd"
    SYSTEMD_SYSTEM = "systemd-system"
    LAUNCHD = "launchd"
    CRON = "cron"


class ClusterTarget(StrEnum):
    """What starts the runs beyond one machine; its texts are rendered, never installed."""

    KUBERNETES = "kubernetes"
    NOMAD = "nomad"
    ANSIBLE = "ansible"


class TimerUnit(Struct, frozen=True):
    """A file that tells a timer service what to start and when; a part of the crontab for cron."""

    name: str
    text: str


class TimerState(StrEnum):
    """How what is installed compares with what is declared."""

    INSTALLED = "installed"
    DIFFERS = "differs"
    MISSING = "missing"
    STOPPED = "stopped"  # the files are right, but nothing waits for the time
    UNDECLARED = "undeclared"


class TimerStatus(Struct, frozen=True):
    """One timer as it is found; times are ISO 8601 in UTC.

    `next` is computed from the schedule, without its jitter. `last` is when a run of one of the
    projects began last, by whatever started it.
    """

    name: str
    standing: TimerState
    schedule: str | None
    projects: tuple[str, ...]
    next: str | None
    last: str | None


class ScheduleChange(Struct, frozen=True):
    """What `install` or `remove` changed; names of units, or of the block of a crontab.

    `notes` say what a person should know.
    """

    target: TimerTarget
    written: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

"""What happened over a time, as `bm-sync report` tells it: figures, a grid of time, runs, drift.

Times are ISO 8601 in UTC with a `Z`; durations are seconds.
"""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from msgspec import Struct

from bm_sync.model.plan import Totals
from bm_sync.model.report import OpenConflict, ProjectStatus
from bm_sync.model.run import Status


class RunEnding(StrEnum):
    """How a run ended, or a project in it; from the mildest to the most serious."""

    SKIPPED = "skipped"  # a condition does not hold, or another run was at it
    IN_SYNC = "in-sync"
    CHANGED = "changed"
    INTERRUPTED = "interrupted"  # somebody ended it
    WAITING = "waiting"  # conflicts wait for a person
    PARTIAL = "partial"  # some paths have problems; all others were synced
    STOPPED = "stopped"  # by a guard
    SIDE_MISSING = "side-missing"  # a side is missing or empty
    UNFINISHED = "unfinished"  # it was killed, or it still runs
    FAILED = "failed"


def ending_of(status: Status) -> RunEnding:  # noqa: PLR0911 - a table
    """Return to which group the ending of a project belongs."""
    match status:
        case Status.IN_SYNC:
            return RunEnding.IN_SYNC
        case Status.CHANGED:
            return RunEnding.CHANGED
        case Status.WAITING:
            return RunEnding.WAITING
        case Status.PARTIAL:
            return RunEnding.PARTIAL
        case Status.INTERRUPTED:
            return RunEnding.INTERRUPTED
        case Status.STOPPED:
            return RunEnding.STOPPED
        case Status.SIDE_MISSING:
            return RunEnding.SIDE_MISSING
        case Status.FAILED | Status.REFUSED:
            return RunEnding.FAILED
        case Status.LOCKED | Status.SKIPPED:
            return RunEnding.SKIPPED
        case _:
            assert_never(status)


class Unit(StrEnum):
    """How long a slot of the grid is."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Endings(Struct, frozen=True):
    """How many runs ended how."""

    skipped: int = 0
    in_sync: int = 0
    changed: int = 0
    interrupted: int = 0
    waiting: int = 0
    partial: int = 0
    stopped: int = 0
    side_missing: int = 0
    unfinished: int = 0
    failed: int = 0


class WorkSums(Struct, frozen=True):
    """What was done. `conflicts` were met, whether they settled themselves or wait."""

    up: int = 0
    down: int = 0
    deleted: int = 0
    renamed: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    conflicts: int = 0
    stops: int = 0
    retries: int = 0


class Durations(Struct, frozen=True):
    """How long runs took; the 95th of 100 is `p95_s`."""

    median_s: float
    p95_s: float
    longest_s: float


class PeriodSlot(Struct, frozen=True):
    """One hour, day, week or month, from `start` on. `durations` is None when nothing ran."""

    start: str
    endings: Endings
    work: WorkSums
    durations: Durations | None


class Drift(Struct, frozen=True):
    """What a plan says of a project now. `failure` is why it could not be made."""

    in_sync: bool
    totals: Totals
    waiting: int = 0
    problems: int = 0
    stops: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    failure: str | None = None
    hint: str | None = None


class ProjectPeriod(Struct, frozen=True):
    """One project: how it stands, what was done, and the most serious ending in each slot."""

    now: ProjectStatus
    endings: Endings
    work: WorkSums
    durations: Durations | None
    worst: tuple[RunEnding | None, ...]
    drift: Drift | None = None


class Trouble(Struct, frozen=True):
    """Why a project of a run was not brought in sync."""

    project: str
    status: Status
    what: str


class RunLine(Struct, frozen=True):
    """One run with the figures of all its projects together."""

    id: str
    command: str
    host: str
    started: str
    seconds: float
    ending: RunEnding
    exit: int
    projects: int
    work: WorkSums
    troubles: tuple[Trouble, ...] = ()


class PeriodReport(Struct, frozen=True, kw_only=True):
    """Everything that `bm-sync report` tells, of the time from `since` to `until`.

    `slots` begin with the first run. `runs` are the newest, newest first; `more_runs` counts the
    others. `no_drift` says why no plan was made.
    """

    version: int = 1
    kind: str = "report"
    since: str
    until: str
    manifest: str
    host: str
    made_by: str
    unit: Unit
    endings: Endings
    work: WorkSums
    durations: Durations | None
    slots: tuple[PeriodSlot, ...]
    projects: tuple[ProjectPeriod, ...]
    conflicts: tuple[OpenConflict, ...]
    runs: tuple[RunLine, ...]
    more_runs: int
    no_drift: str | None = None

    @property
    def ran(self) -> int:
        """Return how many runs there were."""
        return len(self.runs) + self.more_runs

"""What `watch` is asked to do, and what it tells while it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from bm_sync.model.diagnostic import Diagnostic
from bm_sync.model.run import Run


class Reason(StrEnum):
    """Why a project is synced now."""

    START = "start"  # the watch begins, or the project is new or declared otherwise
    ASKED = "asked"  # SIGHUP
    SCHEDULE = "schedule"
    INTERVAL = "interval"
    CHANGE = "change"  # of a local file
    RETRY = "retry"  # the last round failed, or could not begin


class Pace(Struct, frozen=True):
    """How often, in seconds.

    `interval_s` is for projects without a schedule. A change is taken when nothing moved for
    `quiet_s`, but at latest `most_s` after the first.
    """

    interval_s: float = 900.0
    quiet_s: float = 2.0
    most_s: float = 30.0


class Began(Struct, frozen=True):
    """The watch has begun; `blind` says why local changes are not seen, None when they are."""

    projects: tuple[str, ...]
    blind: str | None = None


class Round(Struct, frozen=True):
    """A run has ended.

    `reasons` are by project. `troubles` are what went wrong around it: a hook of the whole run, the
    state, files for monitors.
    """

    run: Run
    reasons: Mapping[str, Reason]
    troubles: tuple[str, ...] = ()


class RoundFailed(Struct, frozen=True):
    """A run could not be made at all; its projects are tried again."""

    projects: tuple[str, ...]
    what: str
    hint: str | None
    exit: int


class Reloaded(Struct, frozen=True):
    """Another manifest is in force; `projects` are all that are watched now."""

    projects: tuple[str, ...]


class Kept(Struct, frozen=True):
    """The manifest was changed and cannot be used; the one before stays in force."""

    what: str
    slips: tuple[Diagnostic, ...] = ()


class Blind(Struct, frozen=True):
    """Local changes are not seen any more; schedules and intervals go on."""

    why: str


WatchEvent = Began | Round | RoundFailed | Reloaded | Kept | Blind


class Watched(Struct, frozen=True):
    """How a watch ended; `interrupted` says that a run was under way."""

    rounds: int
    interrupted: bool

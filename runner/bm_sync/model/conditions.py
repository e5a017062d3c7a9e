"""What has to hold for a project to be synced by a timer; else it is skipped with the reason."""

from __future__ import annotations

from msgspec import Struct

from bm_sync.model.origin import BUILT_IN, Origin

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Span(Struct, frozen=True):
    """A time of the day in minutes since midnight; it goes on past midnight when `end` is smaller.

    The end is no part of it; a span of which both are the same is the whole day.
    """

    begin: int
    end: int

    def __str__(self) -> str:
        return "-".join(f"{m // 60:02}:{m % 60:02}" for m in (self.begin, self.end))


class Conditions(Struct, frozen=True):
    """What has to hold. `days` are numbers of weekdays, Monday is 0; empty is any.

    `free_bytes` and `free_percent` are of the file system that the local folder lies on.
    """

    mains: bool = False
    unmetered: bool = False
    hours: tuple[Span, ...] = ()
    days: tuple[int, ...] = ()
    free_bytes: int | None = None
    free_percent: float | None = None
    origin: Origin = BUILT_IN

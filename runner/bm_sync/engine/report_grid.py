"""Divides a time into hours, days, weeks or months of UTC, so that a chart has a few dozen bars.

Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime, timedelta
from typing import assert_never

from msgspec import Struct

from bm_sync.model.period import Unit

_LONGEST = ((Unit.HOUR, timedelta(hours=48)), (Unit.DAY, timedelta(days=92)))
_LONGEST_IN_WEEKS = timedelta(days=2 * 366)
_WEEK = timedelta(days=7)
_MONTHS = 12


class Grid(Struct, frozen=True):
    """The beginnings of the slots, in order; the last one holds the end of the time."""

    unit: Unit
    starts: tuple[datetime, ...]

    def at(self, moment: datetime) -> int:
        """Return the slot that holds `moment`; what is outside belongs to the nearest."""
        return max(bisect_right(self.starts, moment) - 1, 0)


def grid(begin: datetime, end: datetime) -> Grid:
    """Return the slots from `begin` to `end`, both in UTC."""
    unit = _unit(end - begin)
    starts = [_floor(begin, unit)]
    while (following := _next(starts[-1], unit)) <= end:
        starts.append(following)
    return Grid(unit, tuple(starts))


def _unit(length: timedelta) -> Unit:
    for unit, longest in _LONGEST:
        if length <= longest:
            return unit
    return Unit.WEEK if length <= _LONGEST_IN_WEEKS else Unit.MONTH


def _floor(moment: datetime, unit: Unit) -> datetime:
    hour = moment.replace(minute=0, second=0, microsecond=0)
    match unit:
        case Unit.HOUR:
            return hour
        case Unit.DAY:
            return hour.replace(hour=0)
        case Unit.WEEK:
            return hour.replace(hour=0) - timedelta(days=moment.weekday())
        case Unit.MONTH:
            return hour.replace(day=1, hour=0)
        case _:
            assert_never(unit)


def _next(start: datetime, unit: Unit) -> datetime:
    match unit:
        case Unit.HOUR:
            return start + timedelta(hours=1)
        case Unit.DAY:
            return start + timedelta(days=1)
        case Unit.WEEK:
            return start + _WEEK
        case Unit.MONTH:
            years, month = divmod(start.month, _MONTHS)
            return start.replace(year=start.year + years, month=month + 1)
        case _:
            assert_never(unit)

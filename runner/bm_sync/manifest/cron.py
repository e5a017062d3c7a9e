"""Reads when something happens: `15m`, `03:00` and the five fields of a crontab line. Pure.

The grammar of the fields is that of POSIX crontab, with the steps and names that cron(8) of Debian
and systemd-cron take as well.
"""

from __future__ import annotations

import re

from msgspec import Struct

from bm_sync.model.schedule import Calendar

MINUTES_OF_DAY = 24 * 60
_UNITS = {"m": 1, "h": 60, "d": MINUTES_OF_DAY}
_HOUR = 60
_LONGEST = 200
_DAYS_IN = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_PART = re.compile(r"(?:(\*)|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:/([0-9]{1,2}))?")


class _Field(Struct, frozen=True):
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 7, _WEEKDAYS),
)


def every(text: str) -> Calendar:
    """Return the calendar of `15m`, `6h` or `1d`, counted from midnight.

    Raises ValueError unless the steps fill an hour or a day evenly.
    """
    minutes = int(text[:-1]) * _UNITS[text[-1]]
    if minutes and _HOUR % minutes == 0:
        steps = tuple(range(0, _HOUR, minutes))
        return Calendar(None if minutes == 1 else steps, None)
    if minutes and minutes % _HOUR == 0 and MINUTES_OF_DAY % minutes == 0:
        hours = tuple(range(0, 24, minutes // _HOUR))
        return Calendar((0,), hours)
    raise ValueError("it does not divide an hour or a day evenly")


def interval_s(text: str) -> int:
    """Return the seconds between two runs of `every: text`."""
    return int(text[:-1]) * _UNITS[text[-1]] * 60


def at(times: tuple[str, ...]) -> tuple[Calendar, ...]:
    """Return the calendars of times of the day such as `03:00`; one for each minute of an hour."""
    minutes: dict[int, set[int]] = {}
    for time in times:
        hour, minute = time.split(":")
        minutes.setdefault(int(minute), set()).add(int(hour))
    return tuple(Calendar((m,), tuple(sorted(h))) for m, h in sorted(minutes.items()))


def cron(text: str) -> Calendar:
    """Return the calendar of a crontab line; raises ValueError that says which field is wrong."""
    line = _NAMED.get(text.strip().lower(), text)
    words = line.lower().split()
    if len(text) > _LONGEST:
        raise ValueError(f"it is longer than {_LONGEST} characters")
    if len(words) != len(_FIELDS):
        raise ValueError(f"it has {len(words)} fields instead of five")
    fields = [_numbers(word, kind) for word, kind in zip(words, _FIELDS, strict=True)]
    minutes, hours, days, months, weekdays = fields
    if weekdays is not None:
        weekdays = tuple(sorted({day % 7 for day in weekdays}))
        weekdays = None if len(weekdays) == len(_WEEKDAYS) else weekdays
    if days is not None and weekdays is not None and "*" in words[2] + words[4]:
        raise ValueError("a step of * in one field of days beside the other means two things")
    if days is not None and weekdays is None and not _has_a_day(days, months):
        raise ValueError("there is no such day in these months")
    return Calendar(minutes, hours, days, months, weekdays)


def _has_a_day(days: tuple[int, ...], months: tuple[int, ...] | None) -> bool:
    return any(days[0] <= _DAYS_IN[month - 1] for month in months or range(1, 13))


def _numbers(word: str, kind: _Field) -> tuple[int, ...] | None:
    found: set[int] = set()
    for part in word.split(","):
        found |= _part(part, kind)
    whole = set(range(kind.low, kind.high + 1))
    return None if found == whole else tuple(sorted(found))


def _part(part: str, kind: _Field) -> set[int]:
    match = _PART.fullmatch(part)
    if match is None:
        raise ValueError(f"{part!a} is no {kind.name}")
    star, first, last, step = match.groups()
    low = kind.low if star else _number(first, kind)
    high = kind.high if star or (step and not last) else _number(last or first, kind)
    if high < low:
        raise ValueError(f"{part!a} ends before it begins")
    if step is not None and not int(step):
        raise ValueError(f"{part!a} has a step of 0")
    return set(range(low, high + 1, int(step or 1)))


def _number(word: str, kind: _Field) -> int:
    if word in kind.names:
        return kind.names.index(word) + (1 if kind.low else 0)
    if not word.isdigit() or not kind.low <= int(word) <= kind.high:
        known = f"{kind.low} to {kind.high}" + (f" or {kind.names[0]}" if kind.names else "")
        raise ValueError(f"{word!a} is no {kind.name} ({known})")
    return int(word)

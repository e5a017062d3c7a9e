"""Calendars in the words of each timer service, and when they come next. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import product

from bm_sync.model.schedule import Calendar

_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_MOST_DAYS = 366 * 8 + 2  # from one 29 February to the next over a year such as 2100


def systemd(calendar: Calendar) -> tuple[str, ...]:
    """Return `OnCalendar=` values (systemd.time(7)).

    There a weekday and a day must both fit, so either has a line of its own.
    """
    time = f"{_two(calendar.hours)}:{_two(calendar.minutes)}:00"
    days, weekdays = calendar.days, calendar.weekdays
    names = ",".join(_WEEKDAYS[day] for day in weekdays or ())
    month = _two(calendar.months)
    lines = [f"*-{month}-{_two(days)} {time}"] if days is not None or weekdays is None else []
    return (*lines, *([f"{names} *-{month}-* {time}"] if weekdays is not None else []))


def cron(calendar: Calendar) -> str:
    """Return the five fields of a crontab line (crontab(5))."""
    fields = (
        calendar.minutes,
        calendar.hours,
        calendar.days,
        calendar.months,
        calendar.weekdays,
    )
    return " ".join(_numbers(field) for field in fields)


def launchd(calendar: Calendar) -> list[dict[str, int]]:
    """Return the entries of `StartCalendarInterval` (launchd.plist(5)); a missing key is any.

    A day of the month and a weekday in one entry mean either in some versions and both in others,
    so either has entries of its own.
    """
    time = {"Hour": calendar.hours, "Minute": calendar.minutes}
    by_day = {"Month": calendar.months, "Day": calendar.days, **time}
    by_weekday = {"Month": calendar.months, "Weekday": calendar.weekdays, **time}
    if calendar.weekdays is None:
        return list(_entries(by_day))
    days = _entries(by_day) if calendar.days is not None else iter(())
    return [*days, *_entries(by_weekday)]


def upcoming(calendars: Sequence[Calendar], now: datetime) -> datetime | None:
    """Return the first point in time after `now`, a local time without a zone."""
    found = [moment for c in calendars if (moment := _next(c, now)) is not None]
    return min(found, default=None)


def _next(calendar: Calendar, now: datetime) -> datetime | None:
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    times = [
        timedelta(hours=hour, minutes=minute)
        for hour in (range(24) if calendar.hours is None else calendar.hours)
        for minute in (range(60) if calendar.minutes is None else calendar.minutes)
    ]
    for _ in range(_MOST_DAYS):
        if _fits(calendar, day):
            moment = next((day + time for time in times if day + time > now), None)
            if moment is not None:
                return moment
        day += timedelta(days=1)
    return None


def _fits(calendar: Calendar, day: datetime) -> bool:
    if calendar.months is not None and day.month not in calendar.months:
        return False
    by_day = calendar.days is not None and day.day in calendar.days
    by_weekday = calendar.weekdays is not None and day.isoweekday() % 7 in calendar.weekdays
    return by_day or by_weekday or (calendar.days is None and calendar.weekdays is None)


def _entries(fields: dict[str, tuple[int, ...] | None]) -> Iterator[dict[str, int]]:
    given = {name: numbers for name, numbers in fields.items() if numbers is not None}
    for numbers in product(*given.values()):
        yield dict(zip(given, numbers, strict=True))


def _two(numbers: tuple[int, ...] | None) -> str:
    return "*" if numbers is None else ",".join(f"{number:02}" for number in numbers)


def _numbers(numbers: tuple[int, ...] | None) -> str:
    return "*" if numbers is None else ",".join(str(number) for number in numbers)

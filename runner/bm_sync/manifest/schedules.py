"""Builds schedules: what a project says, else the first of its tags, else the defaults.

Reads when something happens: `15m`, `03:00` and the five fields of a crontab line. Pure.

The grammar of the fields is that of POSIX crontab, with the steps and names that cron(8) of Debian
and systemd-cron take as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeVar

from msgspec import Struct, field

from bm_sync.manifest.diagnostic import Code
from bm_sync.manifest.nodes import Broken, Entry, Mapping, Node, Scalar, Sequence, Spot
from bm_sync.manifest.shown import did_you_mean, escaped, listed, quoted
from bm_sync.manifest.values import Surroundings, duration_s
from bm_sync.manifest.values import text as text_of
from bm_sync.model.schedule import Calendar, Schedule
from bm_sync.structs import replace

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


T = TypeVar("T")
DEFAULTS = "defaults"

_KINDS = ("every", "at", "cron")
_EVENLY = "1m to 6m, 10m, 12m, 15m, 20m, 30m, 1h to 4h, 6h, 8h, 12h, 1d; or write a cron line"
_FIVE_FIELDS = "minute hour day month weekday, such as '30 7 * * 1-5'"


class Schedules(Struct):
    """The schedules of a manifest, each worked out once.

    `by_tag` is what the top-level key `schedules` says, `default` that of the defaults.
    """

    by_tag: Mapping
    default: Node | None
    around: Surroundings
    _built: dict[tuple[int, str], Schedule | None] = field(default_factory=dict)

    def check_all(self, known_tags: Iterable[str]) -> None:
        """Work out every schedule, used or not, so that all slips are told."""
        tags = sorted(set(known_tags))
        self._schedule(self.default, DEFAULTS)
        for name, entry in self.by_tag.entries.items():
            self._schedule(entry.value, f"tag:{name}")
            if name not in tags:
                hint = did_you_mean(name, tags) or "tags are declared by projects: tags: [daily]"
                what = f"no project has the tag {quoted(name)}"
                self.around.report.error(Code.UNKNOWN_NAME, entry.key.spot, what, hint)

    def used(
        self, project: str, own: Entry | None, tags: Iterable[str], *, synced: bool
    ) -> Schedule | None:
        """Return the schedule of a project that says `own`; null says that it has none.

        Only a project with two sides has one, and only its own is refused where it has not.
        """
        if own is not None:
            found = self._schedule(own.value, f"project:{project}")
            if found is not None and not synced:
                what = "a schedule is for projects with a local folder and a remote"
                hint = "remove it; nothing is synced here"
                self.around.report.error(Code.SCHEDULE, own.key.spot, what, hint)
            return found if synced else None
        if not synced:
            return None
        said = next((tag for tag in tags if tag in self.by_tag.entries), None)
        if said is None:
            return self._schedule(self.default, DEFAULTS)
        return self._schedule(self.by_tag.get(said), f"tag:{said}")

    def _schedule(self, node: Node | None, name: str) -> Schedule | None:
        if not isinstance(node, Mapping):
            return None
        key = id(node), name
        if key not in self._built:
            built = self._build(node)
            self._built[key] = None if built is None else replace(built, name=name)
        return self._built[key]

    def _build(self, node: Mapping) -> Schedule | None:
        given = [kind for kind in _KINDS if kind in node.entries]
        if len(given) != 1:
            self._refuse_kinds(node, given)
            return None
        kind = given[0]
        calendars = self._calendars(kind, node.get(kind))
        if calendars is None:
            return None
        jitter_s = int(duration_s(text_of(node, "jitter") or "0s"))
        self._check_jitter(node, jitter_s)
        late = node.get("catch_up")
        return Schedule(
            said=f"{kind} {_said(node.get(kind))}",
            calendars=calendars,
            jitter_s=jitter_s,
            catch_up=not (isinstance(late, Scalar) and late.value is False),
            origin=self.around.origin(node.entries[kind].key.spot),
        )

    def _refuse_kinds(self, node: Mapping, given: list[str]) -> None:
        said = f"{listed(given, 'and')} are both given" if given else "none of them is given"
        spot = node.entries[given[1]].key.spot if given else node.spot
        what = f"a schedule says every, at or cron; {said}"
        hint = "write one of them, such as {every: 15m}"
        self.around.report.error(Code.SCHEDULE, _one_line(spot), what, hint)

    def _calendars(self, kind: str, node: Node | None) -> tuple[Calendar, ...] | None:
        match kind, node:
            case "every", Scalar(value=str() as word):
                return self._tried(node, lambda: (every(word),), _EVENLY)
            case "cron", Scalar(value=str() as line):
                return self._tried(node, lambda: (cron(line),), _FIVE_FIELDS)
            case "at", Scalar(value=str() as time):
                return at((time,))
            case "at", Sequence(items=items):
                times = tuple(str(item.value) for item in items if isinstance(item, Scalar))
                return self._listed(node, times)
            case _:
                return None

    def _listed(self, node: Sequence, times: tuple[str, ...]) -> tuple[Calendar, ...] | None:
        if any(isinstance(item, Broken) for item in node.items):
            return None
        if not times:
            what = "no time is given"
            self.around.report.error(Code.SCHEDULE, _one_line(node.spot), what, 'such as "03:00"')
            return None
        return at(times)

    def _tried(self, node: Scalar, read: Callable[[], T], hint: str) -> T | None:
        try:
            return read()
        except ValueError as e:
            what = f"{quoted(node.raw)} is no schedule: {escaped(str(e))}"
            self.around.report.error(Code.SCHEDULE, node.spot, what, hint)
            return None

    def _check_jitter(self, node: Mapping, jitter_s: int) -> None:
        said = node.get("jitter")
        step = text_of(node, "every")
        longest = interval_s(step) if step else MINUTES_OF_DAY * 60
        if isinstance(said, Scalar) and jitter_s >= longest:
            what = f"a jitter of {said.raw} is not shorter than the time between two runs"
            self.around.report.error(Code.SCHEDULE, said.spot, what, "such as 2m")


def _said(node: Node | None) -> str:
    match node:
        case Sequence(items=items):
            return ", ".join(str(item.value) for item in items if isinstance(item, Scalar))
        case Scalar(value=value):
            return " ".join(str(value).split())
        case _:
            return ""


def _one_line(spot: Spot) -> Spot:
    """Return where something begins, so that the caret does not run on for lines."""
    if spot.line == spot.end_line:
        return spot
    return spot._replace(end_line=spot.line, end_column=spot.column + 1)

"""Decides what is due when: by schedules, intervals, local changes, and after failures. Pure.

Time is told by two clocks. The steady one is never set and stands still while the machine sleeps;
the wall clock is the local time that schedules are meant in. When the wall clock runs ahead of the
steady one the machine slept or its clock was set: what was missed is due once.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import Enum

from msgspec import Struct

from bm_sync.model.schedule import Schedule
from bm_sync.model.watch import Pace, Reason
from bm_sync.schedule.calendar import upcoming
from bm_sync.structs import replace

FIRST_RETRY_S = 60.0
LAST_RETRY_S = 900.0
SLEEP_S = 5.0  # clocks that differ by less only drift


class Instant(Struct, frozen=True):
    """A moment: seconds of the steady clock, and the local time without a zone."""

    steady: float
    wall: datetime


class Ending(Enum):
    """How a round ended for a project, as far as the next one depends on it."""

    FINE = "fine"  # or it waits for a person, whom no haste helps
    FAILED = "failed"
    HELD = "held"  # another run held it
    SKIPPED = "skipped"  # a condition does not hold


class Turn(Struct, frozen=True):
    """When one project comes next.

    `point` is the next time of its schedule, and `share` how much of the jitter (0 to 1) it comes
    later; without a schedule it is the end of the interval, by the steady clock `steady`. `asked`
    is due at once. `changed` are the steady times of the first and the last change that was seen.
    Nothing is due before `not_before`, by the steady clock, and then a `retry` is.
    """

    schedule: Schedule | None
    point: datetime | None
    steady: float | None = None
    share: float = 0.0
    asked: Reason | None = None
    changed: tuple[float, float] | None = None
    failures: int = 0
    waiting: bool = False
    not_before: float | None = None


def begun(
    schedule: Schedule | None, now: Instant, pace: Pace, *, last: datetime | None, share: float
) -> Turn:
    """Return the turn of a project that is new here.

    It is due at once, but for one whose schedule missed nothing since its `last` run.
    """
    turn = _onward(Turn(schedule, None), now, pace, share)
    return replace(turn, asked=Reason.START) if _is_missed(schedule, now, last) else turn


def _is_missed(schedule: Schedule | None, now: Instant, last: datetime | None) -> bool:
    if schedule is None:
        return True
    if not schedule.catch_up:
        return False
    point = None if last is None else upcoming(schedule.calendars, last)
    return last is None or (point is not None and point <= now.wall)


def rescheduled(
    turn: Turn, schedule: Schedule | None, now: Instant, pace: Pace, share: float
) -> Turn:
    """Return the turn of a project whose schedule is another one now."""
    return (
        turn
        if turn.schedule == schedule
        else _onward(replace(turn, schedule=schedule), now, pace, share)
    )


def asked(turn: Turn, reason: Reason) -> Turn:
    """Return a turn that is due at once, whatever failed before."""
    return replace(turn, asked=reason, not_before=None)


def touched(turn: Turn, now: Instant) -> Turn:
    """Return a turn after a local change."""
    first = now.steady if turn.changed is None else turn.changed[0]
    return replace(turn, changed=(first, now.steady))


def untouched(turn: Turn) -> Turn:
    """Return a turn whose changes turned out to be none."""
    return replace(turn, changed=None)


def postponed(turn: Turn, now: Instant) -> Turn:
    """Return a turn that waits on for its conditions."""
    return replace(turn, not_before=now.steady + FIRST_RETRY_S)


def ticked(turn: Turn, before: Instant, now: Instant, pace: Pace) -> Turn:
    """Return a turn after the clocks went on from one look to the next.

    After a sleep nothing is put off any more, and a schedule that does not catch up passes over
    what it missed. A wall clock that was set back lets the schedule begin anew.
    """
    ahead_s = (now.wall - before.wall).total_seconds() - (now.steady - before.steady)
    if abs(ahead_s) < SLEEP_S:
        return turn
    if ahead_s < 0:
        return _onward(turn, now, pace, turn.share)
    turn = turn if turn.not_before is None else replace(turn, not_before=now.steady)
    missed = turn.schedule is not None and _has_come(turn, now)
    if missed and turn.schedule is not None and not turn.schedule.catch_up:
        return _onward(turn, now, pace, turn.share)
    return turn


def due(turn: Turn, now: Instant, pace: Pace) -> Reason | None:
    """Return why a project is to be synced now, None when it is not."""
    if turn.not_before is not None and now.steady < turn.not_before:
        return None
    if turn.asked is not None:
        return turn.asked
    if _has_come(turn, now):
        return Reason.INTERVAL if turn.schedule is None else Reason.SCHEDULE
    if turn.not_before is not None:
        return Reason.RETRY
    if turn.changed is not None and now.steady >= _quiet_at(turn.changed, pace):
        return Reason.CHANGE
    return None


def ended(
    turn: Turn, began: Instant, now: Instant, pace: Pace, result: tuple[Ending, float]
) -> Turn:
    """Return the turn after a round; `result` is how it ended and the next share of the jitter.

    A time of the schedule that came while the round went on is still to come.
    """
    how, share = result
    used = turn.schedule is None or _has_come(turn, began)
    turn = _onward(turn, now, pace, share) if used else turn
    failures = turn.failures + 1 if how is Ending.FAILED else 0
    wait_s = _retry_s(how, failures)
    return replace(
        turn,
        asked=None,
        changed=None,
        failures=failures,
        waiting=how is Ending.SKIPPED,
        not_before=None if wait_s is None else now.steady + wait_s,
    )


def wait_s(turns: Iterable[Turn], now: Instant, pace: Pace) -> float | None:
    """Return how many seconds it is until something may be due, None when nothing ever is."""
    return min((s for turn in turns if (s := _wait_s(turn, now, pace)) is not None), default=None)


def _wait_s(turn: Turn, now: Instant, pace: Pace) -> float | None:
    if turn.not_before is not None:
        return max(turn.not_before - now.steady, 0.0)
    if turn.asked is not None:
        return 0.0
    waits = []
    if turn.point is not None:
        waits.append((_late(turn, turn.point) - now.wall).total_seconds())
    if turn.steady is not None:
        waits.append(turn.steady - now.steady)
    if turn.changed is not None:
        waits.append(_quiet_at(turn.changed, pace) - now.steady)
    return max(min(waits), 0.0) if waits else None


def _onward(turn: Turn, now: Instant, pace: Pace, share: float) -> Turn:
    """Return a turn whose next point is the first after now."""
    if turn.schedule is None:
        point = now.wall + timedelta(seconds=pace.interval_s)
        return replace(turn, point=point, steady=now.steady + pace.interval_s, share=share)
    point_or_none = upcoming(turn.schedule.calendars, now.wall)
    return replace(turn, point=point_or_none, steady=None, share=share)


def _has_come(turn: Turn, now: Instant) -> bool:
    if turn.steady is not None and now.steady >= turn.steady:
        return True
    return turn.point is not None and now.wall >= _late(turn, turn.point)


def _late(turn: Turn, point: datetime) -> datetime:
    jitter_s = 0 if turn.schedule is None else turn.schedule.jitter_s
    return point + timedelta(seconds=jitter_s * turn.share)


def _quiet_at(changed: tuple[float, float], pace: Pace) -> float:
    first, last = changed
    return min(last + pace.quiet_s, first + pace.most_s)


def _retry_s(how: Ending, failures: int) -> float | None:
    match how:
        case Ending.FINE:
            return None
        case Ending.FAILED:
            return min(FIRST_RETRY_S * 2.0 ** min(failures - 1, 10), LAST_RETRY_S)
        case Ending.HELD | Ending.SKIPPED:
            return FIRST_RETRY_S

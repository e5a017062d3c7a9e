"""The clock of `watch`, held to its laws with two clocks made by hand."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bm_sync.engine.watch_clock import (
    LAST_RETRY_S,
    Ending,
    Instant,
    Turn,
    asked,
    begun,
    due,
    ended,
    postponed,
    rescheduled,
    ticked,
    touched,
    untouched,
    wait_s,
)
from bm_sync.model.schedule import Calendar, Schedule
from bm_sync.model.watch import Pace, Reason
from bm_sync.structs import replace

PACE = Pace(interval_s=900.0, quiet_s=2.0, most_s=30.0)
NOON = Instant(1000.0, datetime(2026, 11, 22, 12, 0, 30))  # noqa: DTZ001 - local time
QUARTERS = Schedule("every 15m", (Calendar((0, 15, 30, 45), None),))
NIGHTLY = Schedule("at 03:00", (Calendar((0,), (3,)),))

seconds = st.floats(0.1, 40_000.0)
schedules = st.sampled_from([None, QUARTERS, NIGHTLY, replace(QUARTERS, jitter_s=120)])
shares = st.floats(0.0, 1.0)


def later(now: Instant, steady_s: float, asleep_s: float = 0.0) -> Instant:
    return Instant(now.steady + steady_s, now.wall + timedelta(seconds=steady_s + asleep_s))


def idle(schedule: Schedule | None, now: Instant = NOON, share: float = 0.0) -> Turn:
    """Return the turn of a project that was just synced."""
    turn = begun(schedule, now, PACE, last=None, share=share)
    return ended(turn, now, now, PACE, (Ending.FINE, share))


def walked(turn: Turn, now: Instant, until: Instant, step_s: float = 2.0) -> list[Reason]:
    """Let time go on in small steps, sync what is due, return why."""
    found = []
    while now.steady < until.steady:
        before, now = now, later(now, step_s)
        turn = ticked(turn, before, now, PACE)
        reason = due(turn, now, PACE)
        if reason is not None:
            found.append(reason)
            turn = ended(turn, now, now, PACE, (Ending.FINE, 0.0))
    return found


def test_a_project_without_a_schedule_comes_at_once_and_then_every_interval() -> None:
    turn = begun(None, NOON, PACE, last=NOON.wall, share=0.0)
    assert due(turn, NOON, PACE) is Reason.START
    assert walked(idle(None), NOON, later(NOON, 3500.0)) == [Reason.INTERVAL] * 3


def test_a_schedule_comes_at_its_times() -> None:
    assert walked(idle(QUARTERS), NOON, later(NOON, 3600.0)) == [Reason.SCHEDULE] * 4
    assert walked(idle(NIGHTLY), NOON, later(NOON, 14 * 3600.0), 30.0) == []
    assert walked(idle(NIGHTLY), NOON, later(NOON, 16 * 3600.0), 30.0) == [Reason.SCHEDULE]


@pytest.mark.parametrize(
    ("last", "catch_up", "at_once"),
    [
        (None, True, True),
        (NOON.wall - timedelta(hours=10), True, True),
        (NOON.wall - timedelta(hours=1), True, False),
        (NOON.wall - timedelta(hours=10), False, False),
    ],
)
def test_what_a_schedule_missed_before_the_watch_is_made_up_for(
    last: datetime | None,
    catch_up: bool,  # noqa: FBT001 - a parameter
    at_once: bool,  # noqa: FBT001 - a parameter
) -> None:
    schedule = replace(NIGHTLY, catch_up=catch_up)
    turn = begun(schedule, NOON, PACE, last=last, share=0.0)
    assert (due(turn, NOON, PACE) is Reason.START) is at_once


@given(schedules, st.floats(10.0, 400_000.0))
def test_after_a_sleep_what_was_missed_is_due_once(
    schedule: Schedule | None, asleep_s: float
) -> None:
    turn = idle(schedule)
    now = later(NOON, 1.0, asleep_s)
    turn = ticked(turn, NOON, now, PACE)
    first = due(turn, now, PACE)
    if first is not None:
        turn = ended(turn, now, now, PACE, (Ending.FINE, 0.0))
    assert due(turn, now, PACE) is None
    if asleep_s > 86_400.0 + 120.0:
        assert first is not None


def test_a_schedule_that_does_not_catch_up_passes_over_what_a_sleep_missed() -> None:
    schedule = replace(NIGHTLY, catch_up=False)
    morning = later(NOON, 1.0, 20 * 3600.0)
    turn = ticked(idle(schedule), NOON, morning, PACE)
    assert due(turn, morning, PACE) is None
    assert turn.point == datetime(2026, 11, 24, 3, 0)  # noqa: DTZ001 - local time


def test_a_time_that_comes_while_the_process_is_busy_or_stopped_is_not_missed() -> None:
    schedule = replace(QUARTERS, catch_up=False)
    now = later(NOON, 1800.0)  # the steady clock went on
    turn = ticked(idle(schedule), NOON, now, PACE)
    assert due(turn, now, PACE) is Reason.SCHEDULE


def test_a_time_that_comes_during_a_round_is_still_to_come() -> None:
    turn = asked(idle(QUARTERS), Reason.ASKED)
    now = later(NOON, 1000.0)
    turn = ended(turn, NOON, now, PACE, (Ending.FINE, 0.0))
    assert due(turn, now, PACE) is Reason.SCHEDULE


@given(schedules, st.floats(6.0, 400_000.0))
def test_a_clock_that_is_set_back_keeps_nobody_waiting_longer(
    schedule: Schedule | None, back_s: float
) -> None:
    now = later(NOON, 1.0, -back_s)
    turn = ticked(idle(schedule), NOON, now, PACE)
    limit = 86_400.0 if schedule is NIGHTLY else 900.0 + 120.0
    waits = wait_s([turn], now, PACE)
    assert waits is not None
    assert waits <= limit


@given(st.lists(st.floats(0.0, 10.0), min_size=1, max_size=40))
def test_changes_are_taken_when_it_is_quiet_or_after_half_a_minute(gaps: list[float]) -> None:
    turn, now = touched(idle(None), NOON), NOON
    last = now
    for gap in gaps:
        now = later(now, gap)
        waited, quiet = now.steady - NOON.steady, now.steady - last.steady
        expected = quiet >= PACE.quiet_s or waited >= PACE.most_s
        margin = min(abs(quiet - PACE.quiet_s), abs(waited - PACE.most_s))
        if margin > 1e-6:
            assert (due(turn, now, PACE) is Reason.CHANGE) is expected
        turn, last = touched(turn, now), now
    assert due(untouched(turn), now, PACE) is None


@given(schedules, st.integers(1, 30))
def test_failures_back_off_up_to_a_quarter_of_an_hour_and_never_end(
    schedule: Schedule | None, failures: int
) -> None:
    turn, now, waits = idle(schedule), NOON, []
    for _ in range(failures):
        turn = ended(turn, now, now, PACE, (Ending.FAILED, 0.0))
        waits.append(wait_s([turn], now, PACE) or 0.0)
        assert due(touched(turn, now), later(now, waits[-1] - 1.0), PACE) is None
        now = later(now, waits[-1])
        assert due(turn, now, PACE) is not None
    assert waits == sorted(waits)
    assert waits[:5] == [60.0, 120.0, 240.0, 480.0, 900.0][:failures]
    assert max(waits) <= LAST_RETRY_S
    turn = ended(turn, now, now, PACE, (Ending.FINE, 0.0))
    assert turn.failures == 0
    assert turn.not_before is None


def test_a_sleep_or_a_person_ends_the_waiting_after_a_failure() -> None:
    turn = ended(idle(NIGHTLY), NOON, NOON, PACE, (Ending.FAILED, 0.0))
    soon = later(NOON, 1.0)
    assert due(turn, soon, PACE) is None
    assert due(asked(turn, Reason.ASKED), soon, PACE) is Reason.ASKED
    woken = later(NOON, 1.0, 600.0)
    assert due(ticked(turn, NOON, woken, PACE), woken, PACE) is Reason.RETRY


@pytest.mark.parametrize("how", [Ending.SKIPPED, Ending.HELD])
def test_what_could_not_begin_is_tried_again_in_a_minute(how: Ending) -> None:
    turn = ended(idle(NIGHTLY), NOON, NOON, PACE, (how, 0.0))
    assert turn.waiting is (how is Ending.SKIPPED)
    assert wait_s([turn], NOON, PACE) == 60.0
    now = later(NOON, 60.0)
    assert due(turn, now, PACE) is Reason.RETRY
    assert wait_s([postponed(turn, now)], now, PACE) == 60.0


@given(schedules, schedules, shares, shares)
def test_another_schedule_begins_anew_and_the_same_one_goes_on(
    before: Schedule | None, after: Schedule | None, share: float, other: float
) -> None:
    turn = idle(before, share=share)
    changed = rescheduled(turn, after, NOON, PACE, other)
    assert (changed is turn) is (before == after)
    assert changed.schedule == after


@given(schedules, shares, st.lists(st.tuples(seconds, st.sampled_from(Ending)), max_size=12))
def test_whoever_sleeps_as_long_as_told_finds_something_due(
    schedule: Schedule | None, share: float, rounds: list[tuple[float, Ending]]
) -> None:
    """No round is forgotten, and none is due before its time."""
    turn, now = idle(schedule, share=share), NOON
    for took_s, how in rounds:
        waits = wait_s([turn], now, PACE)
        assert waits is not None
        if waits > 1.0:
            assert due(turn, later(now, waits - 0.5), PACE) is None
        began = later(now, waits + 0.001)
        assert due(turn, began, PACE) is not None
        now = later(began, took_s)
        turn = ended(turn, began, now, PACE, (how, share))

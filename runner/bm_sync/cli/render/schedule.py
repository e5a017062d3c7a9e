"""What `schedule` says: the units, what was changed, how timers stand and when they come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bm_sync.cli.render.groups import commands
from bm_sync.cli.render.text import age, columns, count, escape, lines
from bm_sync.cli.render.view import View
from bm_sync.model.schedule import ScheduleChange, TimerState, TimerStatus, TimerUnit

_NONE = "no project has a schedule\n"
_HEADS = ("TIMER", "STATE", "SCHEDULE", "NEXT", "LAST RUN", "PROJECTS")


def units_text(units: Sequence[TimerUnit]) -> str:
    """Return the units as they would be written, each under its name."""
    if not units:
        return _NONE
    return "\n".join(f"# {unit.name}\n{unit.text}" for unit in units)


def change_text(change: ScheduleChange, view: View) -> str:
    """Return a line for each unit that was touched, then what a person should know."""
    rows = [
        *(("written", name) for name in change.written),
        *(("removed", name) for name in change.removed),
        *(("unchanged", name) for name in change.unchanged),
    ]
    if not rows:
        return _NONE if not change.notes else lines(list(change.notes))
    said = [f"{count(len(change.written), 'unit')} written, {len(change.removed)} removed"]
    said[0] += f", {len(change.unchanged)} unchanged ({change.target.value})"
    look = commands([("how they stand", view.command("schedule", "status"))])
    left = change.written or change.unchanged
    return lines(columns(rows, "<<"), said, list(change.notes), look if left else [])


def status_text(timers: Sequence[TimerStatus], view: View) -> str:
    """Return a line for each timer, and the command that puts right what is not."""
    if not timers:
        return _NONE
    table = columns([_HEADS, *(_row(timer, view) for timer in timers)], "<<<<<<")
    wrong = any(timer.standing is not TimerState.INSTALLED for timer in timers)
    ways = [("put this right", view.command("schedule", "install"))] if wrong else []
    return lines([view.paint(table[0], "dim"), *table[1:]], commands(ways))


def _row(timer: TimerStatus, view: View) -> tuple[str, ...]:
    return (
        timer.name,
        timer.standing.value,
        timer.schedule or "-",
        _until(timer.next, view.now) if timer.next else "-",
        age(timer.last, view.now) if timer.last else "never",
        escape(", ".join(timer.projects)) or "-",
    )


def _until(then: str, now: datetime) -> str:
    """Return when something comes: `in 12 min`, else the day and time in UTC."""
    left = datetime.fromisoformat(then) - now
    if left > timedelta(days=1):
        return f"{then[:10]} {then[11:16]}Z"
    minutes = max(int(left.total_seconds()) // 60, 0)
    return f"in {minutes} min" if minutes < 60 else f"in {minutes // 60} h {minutes % 60} min"  # noqa: PLR2004

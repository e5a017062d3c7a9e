"""What `watch` says while it goes on: a stamped line for what was done, or one JSON object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import assert_never

from bm_sync.cli.render.run import summary
from bm_sync.cli.render.text import count, escape
from bm_sync.cli.render.view import Paint, View
from bm_sync.model.run import ProjectRun, Run, Status
from bm_sync.model.watch import (
    Began,
    Blind,
    Kept,
    Reloaded,
    Round,
    RoundFailed,
    WatchEvent,
)
from bm_sync.state.codec import flatten
from bm_sync.state.wire import run_to_json

_QUIET = {Status.IN_SYNC, Status.SKIPPED}  # nothing was to be done, or not now
_UNSEEN = "local changes are not seen as they happen"
_GOES_ON = "schedules and intervals go on"

_NAMES: Mapping[type, str] = MappingProxyType(
    {
        Began: "began",
        Round: "round",
        RoundFailed: "round-failed",
        Reloaded: "reloaded",
        Kept: "kept",
        Blind: "blind",
    }
)


def result_text(event: WatchEvent, now: datetime, paint: Paint) -> str:
    """Return the lines for standard output: what was moved and what failed; else nothing."""
    match event:
        case Round():
            said = list(_round(event.run, View(paint=paint, now=now)))
            said += [escape(trouble) for trouble in event.troubles]
        case RoundFailed():
            hint = f" ({escape(event.hint)})" if event.hint else ""
            names = escape(", ".join(event.projects))
            said = [paint(f"{names}  FAILED  {escape(event.what)}{hint}", "red")]
        case Began() | Reloaded() | Kept() | Blind():
            said = []
        case _:
            assert_never(event)
    return "".join(f"{_stamp(now)}  {line}\n" for line in said)


def note_text(event: WatchEvent, now: datetime, *, quiet: bool) -> str:
    """Return what standard error says; with `quiet` only that something cannot be used."""
    stamp = _stamp(now)
    match event:
        case Kept():
            return f"{_slips(event)}{stamp}  the manifest as it was before stays in force\n"
        case Blind():
            return f"{stamp}  {_UNSEEN}: {escape(event.why)}; {_GOES_ON}\n"
        case Began() if not quiet:
            said = f"{stamp}  watching {_projects(event.projects)}\n"
            return said + (
                "" if event.blind is None else note_text(Blind(event.blind), now, quiet=False)
            )
        case Reloaded() if not quiet:
            return f"{stamp}  the manifest was read anew: watching {_projects(event.projects)}\n"
        case Began() | Reloaded() | Round() | RoundFailed():
            return ""
        case _:
            assert_never(event)


def event_to_json(event: WatchEvent, now: datetime) -> dict[str, object]:
    """Return an event as schemas/v1/watch.schema.json describes it."""
    said: dict[str, object] = {"version": 1, "event": _NAMES[type(event)], "time": _stamp(now)}
    flat = flatten(event)
    assert isinstance(flat, dict)  # noqa: S101 - a dataclass becomes a dict
    run = {"run": run_to_json(event.run)} if isinstance(event, Round) else {}
    return said | flat | run


def _round(run: Run, view: View) -> Iterator[str]:
    """Yield a line for each project that is worth one, with why it is not in sync."""
    loud = [project for project in run.projects if project.status not in _QUIET]
    for line, project in zip(summary(loud, view), loud, strict=True):
        why = _why(project, run.id)
        yield f"{line}  {escape(why)}" if why else line


def _why(project: ProjectRun, run: str) -> str:
    if project.message:
        return project.message
    if project.stops:
        return project.stops[0].what
    return "" if project.status is Status.CHANGED else f"see: bm-sync history {run}"


def _slips(event: Kept) -> str:
    if not event.slips:
        return f"{escape(event.what)}\n"
    from bm_sync.manifest.formats import text

    return text(event.slips)


def _projects(names: tuple[str, ...]) -> str:
    return f"{count(len(names), 'project')}: {escape(', '.join(names))}" if names else "no project"


def _stamp(now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

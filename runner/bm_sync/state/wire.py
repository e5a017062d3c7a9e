"""Runs and events as JSON values, and the envelope around every `--json` answer.

The public contract: schemas/v1/run, event and envelope .schema.json. Pure; texts are made by the
caller with `json.dumps`, whose ASCII escapes carry file names that are not valid UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from bm_sync.errors import Exit
from bm_sync.model.run import (
    ActionEnded,
    Event,
    ProjectEnded,
    ProjectStarted,
    Retrying,
    Run,
    Transferring,
)
from bm_sync.state.codec import build, flatten

Json = dict[str, object]

VERSION = 1

_EVENT_NAMES: Mapping[type, str] = MappingProxyType(
    {
        ProjectStarted: "project-started",
        Transferring: "transferring",
        ActionEnded: "action-ended",
        Retrying: "retrying",
        ProjectEnded: "project-ended",
    }
)

STATUS_WORDS: Mapping[Exit, str] = MappingProxyType(
    {
        Exit.OK: "ok",
        Exit.FAILED: "failed",
        Exit.USAGE: "invalid",
        Exit.STOPPED: "stopped",
        Exit.NOT_SIGNED_IN: "not-signed-in",
        Exit.LOCKED: "locked",
        Exit.RCLONE: "no-rclone",
        Exit.STALE: "stale",
        Exit.PENDING: "changes",
        Exit.BUG: "bug",
        Exit.INTERRUPTED: "interrupted",
    }
)


def run_to_json(run: Run) -> Json:
    """Return a run as schemas/v1/run.schema.json describes it."""
    return {"version": VERSION, "kind": "run", **_object(run)}


def run_from_json(value: object) -> Run:
    """Return the run that `run_to_json` wrote; raises ValueError for anything else."""
    if not isinstance(value, dict) or value.get("kind") != "run":
        raise ValueError("this is no run of bm-sync")
    if value.get("version") != VERSION:
        raise ValueError(f"version {value.get('version')} of a run is not known")
    try:
        return build(Run, value)
    except TypeError as e:
        raise ValueError(f"this is no whole run of bm-sync: {e}") from e


def event_to_json(event: Event) -> Json:
    """Return an event as schemas/v1/event.schema.json describes it."""
    return {"version": VERSION, "event": _EVENT_NAMES[type(event)], **_object(event)}


def envelope(command: str, code: Exit, data: object, errors: Iterable[Json] = ()) -> Json:
    """Return the answer of a command as schemas/v1/envelope.schema.json describes it.

    The status word follows from the exit code. An error has `what` and `hint`, and may have `code`
    and `project`.
    """
    return {
        "version": VERSION,
        "command": command,
        "status": STATUS_WORDS[code],
        "exit": int(code),
        "data": data,
        "errors": list(errors),
    }


def _object(value: Run | Event) -> Json:
    flat = flatten(value)
    assert isinstance(flat, dict)  # noqa: S101 - a dataclass becomes a dict
    return flat

"""Runs and events as JSON values: what schemas/v1/run and event .schema.json describe.

Pure; texts are made by the
caller with `json.dumps`, whose ASCII escapes carry file names that are not valid UTF-8.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bm_sync.model.run import (
    ActionEnded,
    Event,
    ProjectEnded,
    ProjectStarted,
    Retrying,
    Run,
    Transferring,
    Waiting,
)
from bm_sync.state.codec import build, flatten

Json = dict[str, object]

VERSION = 1

EVENT_NAMES: Mapping[type, str] = MappingProxyType(
    {
        ProjectStarted: "project-started",
        Transferring: "transferring",
        ActionEnded: "action-ended",
        Retrying: "retrying",
        Waiting: "waiting",
        ProjectEnded: "project-ended",
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
    return {"version": VERSION, "event": EVENT_NAMES[type(event)], **_object(event)}


def _object(value: Run | Event) -> Json:
    flat = flatten(value)
    assert isinstance(flat, dict)  # noqa: S101 - a dataclass becomes a dict
    return flat

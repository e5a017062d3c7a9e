"""How a project stands after a run, as hooks and notices tell it apart. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from bm_sync.model.run import Outcome, ProjectRun, Status


class Standing(StrEnum):
    """What a run says of a project."""

    FINE = "fine"
    FAILED = "failed"
    WAITS = "waits"  # for a person: a guard, or a conflict
    UNTOLD = "untold"  # locked, skipped or interrupted: nothing new is known


def standing(ended: ProjectRun) -> Standing:
    """Return how a project stands."""
    match ended.status:
        case Status.IN_SYNC | Status.CHANGED:
            return Standing.FAILED if ended.exit else Standing.FINE
        case Status.WAITING | Status.STOPPED:
            return Standing.WAITS
        case Status.PARTIAL | Status.FAILED | Status.REFUSED:
            return Standing.FAILED
        case Status.LOCKED | Status.SKIPPED | Status.INTERRUPTED:
            return Standing.UNTOLD
        case _:
            assert_never(ended.status)


def moved(ended: ProjectRun) -> bool:
    """Return whether anything was moved, removed or made."""
    return any(done.outcome is Outcome.DONE for done in ended.actions)

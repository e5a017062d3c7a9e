"""What the end of a round means for the next, and what a declaration means on any line. Pure."""

from __future__ import annotations

from bm_sync.engine.watch_clock import Ending
from bm_sync.model.config import Project
from bm_sync.model.origin import Origin
from bm_sync.model.report import Applied
from bm_sync.model.run import Outcome, ProjectRun, Status
from bm_sync.structs import names, replace


def ending(ended: ProjectRun) -> Ending:
    """Return how a project ended.

    What one file alone keeps from being synced is no failure: only its user can help.
    """
    if ended.status.good or ended.status.needs_person:
        return Ending.FINE
    match ended.status:
        case Status.PARTIAL:
            done = all(each.outcome is Outcome.DONE for each in ended.actions)
            return Ending.FINE if done else Ending.FAILED
        case Status.LOCKED:
            return Ending.HELD
        case Status.SKIPPED:
            return Ending.SKIPPED
        case _:
            return Ending.FAILED


def troubles(applied: Applied) -> tuple[str, ...]:
    """Return what went wrong around a run."""
    return tuple(said for said in (applied.notice, applied.trouble) if said is not None)


def meaning(project: Project) -> object:
    """Return what a declaration says, but for its schedule, as a value that can be compared."""
    return _meaning(replace(project, schedule=None))


def _meaning(value: object) -> object:
    if isinstance(value, Origin):
        return None
    if isinstance(value, tuple):
        return tuple(map(_meaning, value))
    found = names(type(value))
    return value if found is None else tuple(_meaning(getattr(value, name)) for name in found)

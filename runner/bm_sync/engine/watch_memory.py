"""What a watch asks of this machine and of the state between two rounds; nothing is changed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from bm_sync.engine import overview
from bm_sync.engine.identity import project_key
from bm_sync.engine.watch_news import Happening, is_news
from bm_sync.errors import BmSyncError
from bm_sync.model.config import Project
from bm_sync.model.setup import Setup
from bm_sync.paths import home_dir
from bm_sync.state.store import State


def last_runs(projects: Sequence[Project], setup: Setup) -> dict[str, datetime]:
    """Return when each project was last in a run, in local time; those that never were lack."""
    try:
        with State.peek(setup.state_dir) as state:
            rows = overview.declared(projects, state, home_dir(setup.env))
    except BmSyncError:  # the first round tells
        return {}
    return {
        row.project: datetime.fromisoformat(row.last_time).astimezone().replace(tzinfo=None)
        for row in rows
        if row.last_time is not None
    }


def is_other(project: Project, happened: Collection[Happening], setup: Setup) -> bool:
    """Return whether what happened is more than what runs themselves did."""
    if project.local is None:
        return False
    try:
        with State.peek(setup.state_dir) as state:
            remembered = state.project(project_key(project))
    except BmSyncError:
        return True
    return is_news(project.local, happened, remembered.baseline)


async def kept_waiting(project: Project, setup: Setup) -> bool:
    """Return whether a condition of a project still does not hold."""
    if project.conditions is None:
        return False
    from bm_sync.engine.conditions import Look

    look = Look(setup.env, datetime.now().astimezone())
    return bool(await look.unmet(project.conditions, project.local))

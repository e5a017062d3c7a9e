"""Opens the surroundings of a command that changes nothing. Light: rclone starts meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bm_sync.model.config import Project
from bm_sync.model.setup import Setup

if TYPE_CHECKING:
    from bm_sync.engine.site import Site
    from bm_sync.model.state_home import StateHome
    from bm_sync.state.store import State


@asynccontextmanager
async def peeking(
    setup: Setup, projects: Sequence[Project], home: StateHome | None = None
) -> AsyncIterator[Site]:
    """Yield a site whose state is only read.

    `home` is where the state lies on a remote: it is fetched into a copy in memory.
    """
    from bm_sync.engine.opening import open_rclone

    async with open_rclone(setup, projects) as rclone:
        from bm_sync.engine.site import Site  # rclone starts while the engine is loaded
        from bm_sync.state.store import State

        if home is None:
            with State.peek(setup.state_dir, tell=setup.tell) as state:
                _expect(state, projects)
                yield Site(setup, state, rclone)
            return
        from bm_sync.engine.shared_place import looked_at
        from bm_sync.state.machine import no_machine

        with State.peek(setup.state_dir, machine=no_machine, apart=True, tell=setup.tell) as state:
            _expect(state, projects)
            site = Site(setup, state, rclone)
            await looked_at(home, site, projects)
            yield site


def _expect(state: State, projects: Sequence[Project]) -> None:
    """Let projects that were declared otherwise read the memory that they take."""
    if any(project.was is not None for project in projects):
        from bm_sync.engine.identity import formers

        state.expect(formers(projects))

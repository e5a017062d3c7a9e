"""The locks of a run's projects, held together while it lasts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Self

from bm_sync.engine.identity import keys
from bm_sync.engine.patience import Patience
from bm_sync.engine.record import Ticket, iso
from bm_sync.errors import LockedError
from bm_sync.model.config import Project
from bm_sync.model.report import Setup
from bm_sync.state.lock import Owner, hold

_STEP_S = 0.2  # between two looks at a lock that another run holds


class Locks:
    """The locks of the selected projects, held together; those of others are reported."""

    def __init__(self, setup: Setup, run: Ticket) -> None:
        self._setup = setup
        self._run = run
        self._stack = ExitStack()
        self.refused: dict[str, LockedError] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    async def take(
        self, projects: Sequence[Project], pid: int, patience: Patience
    ) -> tuple[Project, ...]:
        """Lock each project; return those that are ours now, note the others in `refused`.

        One that was declared otherwise before is locked by both keys. All runs of a machine take
        them in one order, so that none waits for each other.
        """
        wanted = {key: project for project in projects for key in keys(project)}
        for key, project in sorted(wanted.items(), key=lambda pair: pair[0]):
            owner = Owner(
                pid, self._setup.host, iso(self._run.started), self._run.command, project.name
            )
            refused = self._locked(key, owner)
            while refused is not None and not patience.over:
                await patience.goes_on(project.name, refused.what, _STEP_S)
                refused = self._locked(key, owner)
            if refused is not None:
                self.refused[project.name] = refused
        return tuple(p for p in projects if p.name not in self.refused)

    def _locked(self, key: str, owner: Owner) -> LockedError | None:
        """Lock a project by its key; return why it cannot be."""
        try:
            self._stack.enter_context(hold(self._setup.state_dir, key, owner))
        except LockedError as e:
            return e
        return None

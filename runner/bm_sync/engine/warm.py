"""Keeps one rclone for many runs, so that none waits for a start or for new connections."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bm_sync.engine.opening import bandwidth, drop_if_empty, make_rclone, wake
from bm_sync.engine.routed import Routed
from bm_sync.model.config import Project
from bm_sync.model.setup import Setup

_MOST_AGE_S = 86_400.0  # then a fresh one has a log of its own


class WarmRclone:
    """An rclone that outlives the runs it is lent to; one run at a time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rclone: Routed | None = None
        self._log: Path | None = None
        self._limit: int | None = None
        self._since = 0.0
        self._wanted: int | None = None

    @property
    def pid(self) -> int | None:
        """Return the process id of the rclone that runs."""
        return None if self._rclone is None else self._rclone.pid

    def settle(self, projects: Sequence[Project]) -> None:
        """Take over what all projects that are watched allow together."""
        self._wanted = bandwidth(projects)

    @asynccontextmanager
    async def opening(
        self, setup: Setup, projects: Sequence[Project], log: Path | None = None
    ) -> AsyncIterator[Routed]:
        """Lend the rclone; it is made anew where another bandwidth is allowed, or after a day."""
        rclone = await self._fit(setup, log)
        try:
            wake(rclone, projects)
            yield rclone
        finally:
            await rclone.rest()

    async def stop(self) -> None:
        """End the rclone; the next run makes another."""
        rclone, self._rclone = self._rclone, None
        if rclone is not None:
            await rclone.stop()
            drop_if_empty(self._log)

    async def _fit(self, setup: Setup, log: Path | None) -> Routed:
        old = self._clock() - self._since > _MOST_AGE_S
        if self._rclone is not None and not old and self._limit == self._wanted:
            return self._rclone
        await self.stop()
        self._rclone = make_rclone(setup, self._wanted, log)
        self._log, self._limit, self._since = log, self._wanted, self._clock()
        return self._rclone

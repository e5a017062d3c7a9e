"""Waits for others that hold a project, under a bound, and says once for whom."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from bm_sync.model.run import Event, Waiting


class Patience:
    """How long one run waits in all; without limit for `inf`, not at all for 0 seconds."""

    def __init__(self, wait_s: float, emit: Callable[[Event], None]) -> None:
        self._ends = time.monotonic() + wait_s
        self._emit = emit
        self._told: set[str] = set()

    @property
    def over(self) -> bool:
        """Return whether nothing is waited for any more."""
        return time.monotonic() >= self._ends

    async def goes_on(self, project: str, cause: str, step_s: float) -> None:
        """Wait a little for what `cause` says."""
        if project not in self._told:
            self._told.add(project)
            self._emit(Waiting(project, cause))
        await asyncio.sleep(max(0.0, min(step_s, self._ends - time.monotonic())))

"""Sees changes below local folders as they happen, with the package `watchfiles`.

Without it, or where the system cannot tell (no more watches, a file system of another machine),
nothing is seen and `blind` says why; schedules and intervals go on without it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from bm_sync.engine.watch_news import Happening

MISSING = "the package watchfiles is not installed"
INSTALL = "pip install 'watchfiles>=1.0'"
_STEP_MS, _GROUP_MS = 50, 200
_POLL_MS = 1000
_TRY_AGAIN_S = 300.0

_Identity = tuple[int, int] | None
Hears = Callable[[str, Iterable[Happening]], None]


class LocalFolders:
    """The folders of projects, by the names of the projects; `hears` is told what happens there.

    `blind` says why nothing is seen, None while it is.
    """

    def __init__(self, hears: Hears, *, poll: bool) -> None:
        self._hears = hears
        self._poll = poll
        self._roots: dict[str, str] = {}
        self._seen: dict[str, _Identity] = {}
        self._task: asyncio.Task[None] | None = None
        self._failed_at = 0.0
        self.blind: str | None = None

    async def follow(self, roots: Mapping[str, Path]) -> frozenset[str]:
        """Watch exactly these folders; return the projects of which something may be unseen.

        Folders that come, go or are replaced are noticed when this is called again. While others
        are watched from now on, nothing is seen for a moment.
        """
        real, seen = _looked_up(roots)
        old = self._roots, self._seen
        again = self.blind is not None and time.monotonic() - self._failed_at > _TRY_AGAIN_S
        if (real, seen) == old and not again:
            return frozenset()
        changed = {n for n in seen if n in old[0] and (real[n], seen[n]) != (old[0][n], old[1][n])}
        unseen = changed if self._task is None else set(real)
        await self.stop()
        self._roots, self._seen = real, seen
        self._begin()
        return frozenset(unseen)

    async def stop(self) -> None:
        """Watch nothing any more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])  # does not raise what it ended with

    def _begin(self) -> None:
        try:
            import watchfiles  # noqa: F401 - whether it is there
        except ImportError:
            self._lose(f"{MISSING}: {INSTALL}")
            return
        there = sorted({self._roots[name] for name, found in self._seen.items() if found})
        if there:
            self.blind = None
            self._task = asyncio.create_task(self._watch(there))

    async def _watch(self, folders: list[str]) -> None:
        from watchfiles import Change, awatch

        changes = awatch(
            *folders,
            watch_filter=None,
            debounce=_GROUP_MS,
            step=_STEP_MS,
            force_polling=self._poll or None,
            poll_delay_ms=_POLL_MS,
            ignore_permission_denied=True,
        )
        try:
            async for found in changes:
                self._tell((path, change is Change.deleted) for change, path in found)
        except (OSError, RuntimeError) as e:  # what its Rust part cannot do is a RuntimeError
            said = e.strerror if isinstance(e, OSError) and e.strerror else str(e)
            self._lose(f"the system tells of no changes: {said}")

    def _tell(self, found: Iterable[tuple[str, bool]]) -> None:
        told: dict[str, list[Happening]] = {}
        for path, gone in found:
            for name, root in self._roots.items():
                if path.startswith(f"{root}/"):
                    told.setdefault(name, []).append(Happening(path[len(root) + 1 :], gone))
        for name, happened in told.items():
            self._hears(name, happened)

    def _lose(self, why: str) -> None:
        self.blind = why
        self._failed_at = time.monotonic()


def _looked_up(roots: Mapping[str, Path]) -> tuple[dict[str, str], dict[str, _Identity]]:
    real = {name: os.path.realpath(root) for name, root in roots.items()}
    return real, {name: _identity(root) for name, root in real.items()}


def _identity(folder: str) -> _Identity:
    try:
        found = os.stat(folder)  # noqa: PTH116 - a text that came from realpath
    except OSError:
        return None
    return found.st_dev, found.st_ino

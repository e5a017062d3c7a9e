"""Where uploads arrive on a remote that would show half an upload under the file's own name.

There (WebDAV) files go up into `layout.STAGING` below the remote's root and are moved to their
names by the server when they are whole. Nothing else is decided here.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial

from bm_sync import layout
from bm_sync.engine.distant import Distant
from bm_sync.engine.scope import Errand
from bm_sync.model.plan import Copy, KeepBoth, Restore
from bm_sync.model.run import Outcome
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.remotes import Fs

_SHOW_HALF = frozenset({"webdav", "alias", "combine", "union"})
_CLEAR_WITHIN_S = 2.0


class Landing:
    """One project's landing folder on a remote in one run."""

    def __init__(self, distant: Distant) -> None:
        self._distant = distant
        self._scope = distant.scope
        store = distant.store
        whole = store.features.atomic_put or store.fs.type not in _SHOW_HALF
        self.needed = not whole and store.features.can_move
        self._used = False

    @property
    def fs(self) -> Fs:
        """Return the folder that rclone copies into."""
        self._used = True
        return self._distant.store.base.at(self._scope.staging)

    async def recover(self) -> None:
        """Remove what killed runs of this project left, empty folders included."""
        left = await self._left() if self.needed else None
        if left is not None:
            await self._purge(*left)

    async def move_in(self, pending: dict[str, Errand]) -> set[str]:
        """Move what has arrived whole to its names; return the paths of those.

        The version to be replaced is looked at again first; errands that fail are settled and leave
        `pending`.
        """
        arrived = await self._arrived()
        whole = {p: e for p, e in pending.items() if arrived.get(p) == e.size}
        seen = await self._distant.look(list(whole))
        by_action: dict[Copy | KeepBoth | Restore, Errand] = {}
        for path, errand in whole.items():
            if seen.get(path) == errand.target:
                by_action[errand.action] = errand
            else:
                del pending[path]
                what = "another version has appeared on the remote"
                self._scope.ledger.settle(errand.action, Outcome.DROPPED, what)

        async def move(action: Copy | KeepBoth | Restore) -> None:
            path = by_action[action].path
            store, rclone = self._distant.store, self._scope.rclone
            await rclone.move_file(self.fs, path, store.fs, path)

        moved = {by_action[a].path for a in await self._distant.each(list(by_action), move)}
        for errand in by_action.values():
            if errand.path not in moved:
                del pending[errand.path]
        return moved

    async def clear(self) -> None:
        """Remove this run's folder; what cannot be removed now is removed by the next run."""
        if self._used:
            with suppress(RcloneError, TimeoutError):
                async with asyncio.timeout(_CLEAR_WITHIN_S):
                    await self._purge(self._scope.staging.rpartition("/")[2])

    async def _arrived(self) -> dict[str, int]:
        listed = partial(
            self._scope.rclone.list_tree, self.fs, features=self._distant.store.features
        )
        try:
            found = await self._scope.persist(listed)
        except RcloneError as e:
            if e.fault is Fault.MISSING:
                return {}
            raise
        return {e.path: e.size for e in found.entries if not e.is_dir}

    async def _left(self) -> set[str] | None:
        """Return the names of the folders that earlier runs left; None where nothing was left."""
        store = self._distant.store
        listed = partial(
            self._scope.rclone.list_tree, store.base.at(layout.STAGING), features=store.features
        )
        try:
            found = await self._scope.persist(listed)
        except RcloneError as e:
            if e.fault is Fault.MISSING:
                return None
            raise
        names = {entry.path.partition("/")[0] for entry in found.entries}
        return {name for name in names if name.startswith(self._scope.key[:12])}

    async def _purge(self, *names: str) -> None:
        rclone, base = self._scope.rclone, self._distant.store.base
        for name in names:
            await rclone.purge(base, f"{layout.STAGING}/{name}")
        for folder in (layout.STAGING, layout.HOME):
            await rclone.rmdir(base, folder)

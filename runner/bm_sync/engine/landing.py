"""Where uploads arrive on a remote that would show half an upload under the file's own name.

There (WebDAV) files go up into `layout.STAGING` below the remote's root and are moved to their
names by the server when they are whole. So they are where a rename would not replace what another
member of the remote holds (a union): there the old version goes first. Nothing else is decided.
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
from bm_sync.model.tree import same_version
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.remotes import Fs

_SHOW_HALF = frozenset({"webdav", "alias", "combine", "union"})
_OF_SEVERAL = frozenset({"union"})  # a rename there leaves what another member holds
_CLEAR_WITHIN_S = 2.0


class Landing:
    """One project's landing folder on a remote in one run."""

    def __init__(self, distant: Distant) -> None:
        self._distant = distant
        self._scope = distant.scope
        store = distant.store
        whole = store.features.atomic_put or store.fs.type not in _SHOW_HALF
        self._can_move = store.features.can_move
        self._clears = store.fs.type in _OF_SEVERAL
        self.needed = self._can_move and (not whole or self._clears)
        self._used = False

    def clear_first(self) -> bool:
        """Let the next versions land aside and the old ones go before they move in.

        Return whether that is another way than so far.
        """
        other = self._can_move and not self._clears
        if other:
            self._clears = self.needed = True
        return other

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
            if same_version(seen.get(path), errand.target):
                by_action[errand.action] = errand
            else:
                del pending[path]
                what = "another version has appeared on the remote"
                self._scope.ledger.settle(errand.action, Outcome.DROPPED, what)

        async def move(action: Copy | KeepBoth | Restore) -> None:
            errand = by_action[action]
            clears = self._clears and errand.target is not None
            if clears:
                await self._clear_away(errand)
            try:
                await self._move(errand.path)
            except RcloneError:
                if clears:
                    await self._put_back(errand)
                raise
            kept = self._distant.kept_of(errand)
            self._scope.ledger.acknowledge(action, kept, errand.content)

        moved = {by_action[a].path for a in await self._distant.each(list(by_action), move)}
        for errand in by_action.values():
            if errand.path not in moved:
                del pending[errand.path]
        return moved

    async def _move(self, path: str) -> None:
        store, rclone = self._distant.store, self._scope.rclone
        await rclone.move_file(self.fs, path, store.fs, self._distant.there(path))

    async def _clear_away(self, errand: Errand) -> None:
        """Remove the version that has been kept; an earlier try may have done so, or more."""
        path = errand.path
        seen = (await self._distant.look([path])).get(path)
        if seen is not None and same_version(seen, errand.target):
            there = self._distant.there(path)
            await self._scope.rclone.delete_file(self._distant.store.fs, there)

    async def _put_back(self, errand: Errand) -> None:
        """Let the kept version stand again where the new one could not move in."""
        store, rclone, path = self._distant.store, self._scope.rclone, errand.path
        home, place = store.base, self._distant.trash_path(path)
        if errand.kept_as is not None:
            home, place = store.fs, errand.kept_as
        with suppress(RcloneError):
            if path not in await self._distant.look([path]):
                await rclone.copy_file(home, place, store.fs, path)

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
        return {name for name in names if self._scope.is_own(name)}

    async def _purge(self, *names: str) -> None:
        rclone, base = self._scope.rclone, self._distant.store.base
        for name in names:
            await rclone.purge(base, f"{layout.STAGING}/{name}")
        for folder in (layout.STAGING, layout.HOME):
            await rclone.rmdir(base, folder)

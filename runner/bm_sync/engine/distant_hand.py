"""Acts on a side behind rclone: a bucket, a WebDAV or SFTP server, a drive.

A version that will be replaced or deleted is first copied into the run's trash on the remote, then
looked at again, then replaced or deleted. Where the store honours conditions each upload says which
version it replaces; elsewhere the look right before is all there is, and its window stays open.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from bm_sync.engine.departures import Departures
from bm_sync.engine.discard import Discard
from bm_sync.engine.distant import Distant, Store
from bm_sync.engine.putting_back import PuttingBack
from bm_sync.engine.relay import Relay
from bm_sync.engine.scope import Errand, Giver, Scope, as_object
from bm_sync.model.plan import KeepBoth, MakeDir, Move, RemoveDir, Restore, Trash
from bm_sync.model.run import Outcome
from bm_sync.model.tree import ObjectStamp, Side, Stamp, same_version
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.remotes import Fs


class DistantHand:
    """A side of a project behind rclone."""

    here = False

    def __init__(self, store: Store, scope: Scope, side: Side = Side.REMOTE) -> None:
        self.side = side
        self._distant = Distant(store, scope, side)
        self._scope = scope
        self._departures = Departures(self._distant)
        self._relay = Relay(self._departures, scope)
        self._discard = Discard(self._distant)
        self._putting_back = PuttingBack(self._distant)

    async def recover(self) -> None:
        """Remove half uploads of killed runs of this machine, those into the trash included."""
        self._relay.recover()
        for path in self._distant.store.litter:
            await self._distant.once(
                partial(self._scope.rclone.delete_file, self._distant.store.fs, path)
            )
        if self._distant.store.features.has_folders:
            await self._distant.clear_trash()

    async def prepare(self) -> None:
        """Make the root where there are folders, and an empty place where uploads arrive."""
        await self._departures.landing.recover()
        if self._distant.store.features.has_folders:
            await self._distant.once(partial(self._scope.rclone.mkdir, self._distant.store.fs, ""))

    async def portions(self, errands: Sequence[Errand]) -> list[list[Errand]]:
        """Return all of them at once."""
        return [list(errands)] if errands else []

    @asynccontextmanager
    async def lend(self, paths: Sequence[str]) -> AsyncIterator[Fs]:  # noqa: ARG002 - all are there
        """Lend the root."""
        yield self._distant.store.fs

    async def look(self, paths: Sequence[str]) -> dict[str, Stamp]:
        """Return the stamps of those files that are there."""
        return await self._distant.look(paths)

    async def content(self, path: str, algorithm: str) -> str | None:
        """Return the content of one file, None where the remote does not tell it."""
        stamp = (await self.look([path])).get(path)
        told = as_object(stamp).content if stamp is not None else None
        return told if told is not None and told.startswith(f"{algorithm}:") else None

    async def vouch(self, errands: Sequence[Errand]) -> set[str]:
        """Return the paths of which the remote still holds the version that was planned.

        Where the content is known, what arrives is compared with it instead.
        """
        unsure = [e for e in errands if as_object(e.source).content is None]
        seen = await self.look([e.path for e in unsure])
        sure = {e.path for e in errands} - {e.path for e in unsure}
        return sure | {e.path for e in unsure if same_version(seen.get(e.path), e.source)}

    async def trash(self, items: Sequence[Trash]) -> None:
        """Move files into this run's trash, if they are still what was planned."""
        await self._discard.trash(items)

    async def duplicate(self, items: Sequence[KeepBoth]) -> dict[str, Stamp]:
        """Copy losing versions to their new names server-side."""
        rclone, fs = self._scope.rclone, self._distant.store.fs
        taken = await self.look([i.copy_path for i in items])
        free = [i for i in items if self._is_free(i, taken.get(i.copy_path))]

        async def copy(item: KeepBoth) -> None:
            if item.copy_path not in taken:
                there = self._distant.there
                await rclone.copy_file(fs, there(item.path), fs, there(item.copy_path))

        made = await self._distant.each(free, copy)
        seen = await self.look([p for i in made for p in (i.path, i.copy_path)])
        good = [i for i in made if i.copy_path in seen and self._still(i, seen.get(i.path))]

        async def leave(item: KeepBoth) -> None:
            if item.gives_way:
                await rclone.delete_file(fs, self._distant.there(item.path))

        return {i.copy_path: seen[i.copy_path] for i in await self._distant.each(good, leave)}

    async def rename(self, items: Sequence[Move]) -> dict[str, Stamp]:
        """Move files server-side to names that are still free.

        Saved in the very moment, a newer version goes along; it is not taken for the planned one.
        """
        rclone, fs = self._scope.rclone, self._distant.store.fs
        seen = await self.look([p for i in items for p in (i.old_path, i.path)])
        good = []
        for item in items:
            if item.path in seen:
                self._scope.ledger.settle(item, Outcome.DROPPED, f"'{item.path}' has appeared")
            elif self._still(item, seen.get(item.old_path)):
                good.append(item)

        async def move(item: Move) -> None:
            there = self._distant.there
            await rclone.move_file(fs, there(item.old_path), fs, there(item.path))
            self._scope.ledger.acknowledge(item)

        moved = await self._distant.each(good, move)
        stamps = await self.look([i.path for i in moved])
        for item in moved:
            stamp = stamps.get(item.path)
            if stamp is None:
                self._scope.ledger.settle(item, Outcome.FAILED, "not found after the move")
            elif not _alike(as_object(stamp), self._distant.mine(item)):
                self._scope.ledger.settle(item, Outcome.DROPPED, "the file was changed")
            else:
                self._scope.ledger.settle(item, Outcome.DONE)
        return stamps

    async def make_dirs(self, items: Sequence[MakeDir]) -> None:
        """Make empty folders."""

        async def make(item: MakeDir) -> None:
            await self._scope.rclone.mkdir(self._distant.store.fs, self._distant.there(item.path))
            self._scope.ledger.acknowledge(item)

        for item in await self._distant.each(items, make):
            if item.path:
                self._scope.ledger.put_dirs.add(item.path)
            self._scope.ledger.settle(item, Outcome.DONE)

    async def remove_dirs(self, items: Sequence[RemoveDir]) -> None:
        """Remove folders that are empty, in the order given."""
        for item in items:
            for _ in await self._distant.each([item], self._remove_dir):
                self._scope.ledger.settle(item, Outcome.DONE)

    async def receive(self, errands: Sequence[Errand], source: Giver) -> None:
        """Upload files and compare what then stands there with what was planned."""
        await self._relay.receive(errands, source)

    async def put_back(self, items: Sequence[Restore]) -> None:
        """Copy versions that are kept here to their places, server-side; look before and after."""
        await self._putting_back.put_back(items)

    async def recheck(self) -> None:
        """Nothing: a remote has no folder that is held open."""

    async def finish(self) -> None:
        """Leave nothing behind where uploads arrived."""
        self._relay.finish()
        await self._departures.landing.clear()
        await self._discard.reconsider()

    async def _remove_dir(self, item: RemoveDir) -> None:
        there = self._distant.there(item.path)
        if not await self._scope.rclone.rmdir(self._distant.store.fs, there):
            raise RcloneError("the folder is not empty", fault=Fault.CHANGED)
        self._scope.ledger.drop_dirs.add(item.path)

    def _still(self, item: Move | KeepBoth, seen: Stamp | None) -> bool:
        return self._distant.still(item, seen, self._distant.mine(item))

    def _is_free(self, item: KeepBoth, taken: Stamp | None) -> bool:
        mine = self._distant.mine(item)
        same = taken is None or (mine.content is not None and taken == mine)
        if not same:
            self._scope.ledger.settle(item, Outcome.DROPPED, f"'{item.copy_path}' has appeared")
        return same


def _alike(one: ObjectStamp, two: ObjectStamp) -> bool:
    """Return whether both may be one version; a move may change the time."""
    return one.size == two.size and one.content == two.content

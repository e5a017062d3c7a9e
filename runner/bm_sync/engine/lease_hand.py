"""The remote side of a project that is written only under a lease: asks before each phase."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from bm_sync.engine.lease import Lease
from bm_sync.engine.scope import Errand, Giver, Hand
from bm_sync.model.plan import KeepBoth, MakeDir, Move, RemoveDir, Restore, Trash
from bm_sync.model.tree import Side, Stamp
from bm_sync.rclone.remotes import Fs


class LeasedHand:
    """A hand that does what another does, as long as the lease is held; else LockedError."""

    def __init__(self, hand: Hand, lease: Lease) -> None:
        self.side: Side = hand.side
        self.here = hand.here
        self._hand = hand
        self._check = lease.check

    async def portions(self, errands: Sequence[Errand]) -> list[list[Errand]]:
        """Return the errands in portions, each of which can be lent at once."""
        return await self._hand.portions(errands)

    def lend(self, paths: Sequence[str]) -> AbstractAsyncContextManager[Fs]:
        """Lend a root below which rclone finds these files."""
        return self._hand.lend(paths)

    async def content(self, path: str, algorithm: str) -> str | None:
        """Return the content of one file, None when it cannot be told."""
        return await self._hand.content(path, algorithm)

    async def vouch(self, errands: Sequence[Errand]) -> set[str]:
        """Return the paths of which the version that was planned still stands there."""
        return await self._hand.vouch(errands)

    async def look(self, paths: Sequence[str]) -> dict[str, Stamp]:
        """Return the stamps of those files that are there."""
        return await self._hand.look(paths)

    async def recover(self) -> None:
        """Clear what a killed run left."""
        await self._check()
        await self._hand.recover()

    async def prepare(self) -> None:
        """Make ready for writing."""
        await self._check()
        await self._hand.prepare()

    async def trash(self, items: Sequence[Trash]) -> None:
        """Move files into the trash."""
        await self._check()
        await self._hand.trash(items)

    async def duplicate(self, items: Sequence[KeepBoth]) -> dict[str, Stamp]:
        """Keep losing versions under their new names."""
        await self._check()
        return await self._hand.duplicate(items)

    async def rename(self, items: Sequence[Move]) -> dict[str, Stamp]:
        """Rename files."""
        await self._check()
        return await self._hand.rename(items)

    async def make_dirs(self, items: Sequence[MakeDir]) -> None:
        """Make empty folders."""
        await self._check()
        await self._hand.make_dirs(items)

    async def remove_dirs(self, items: Sequence[RemoveDir]) -> None:
        """Remove folders that are empty."""
        await self._check()
        await self._hand.remove_dirs(items)

    async def receive(self, errands: Sequence[Errand], source: Giver) -> None:
        """Bring files from the other side."""
        await self._check()
        await self._hand.receive(errands, source)

    async def put_back(self, items: Sequence[Restore]) -> None:
        """Bring versions back that this side itself keeps."""
        await self._check()
        await self._hand.put_back(items)

    async def recheck(self) -> None:
        """Raise BmSyncError when the folder is not where it was any more."""
        await self._hand.recheck()

    async def finish(self) -> None:
        """Make what was done durable; what is cleared is this run's own."""
        await self._hand.finish()

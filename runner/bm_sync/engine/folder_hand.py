"""Acts on a side that is a folder of this machine: the local side, or a folder remote.

rclone brings files into a staging folder on the same file system; from there they are put in place
one by one (see `placing`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress

from bm_sync.engine import placing, primitives
from bm_sync.engine.arrivals import FAILURES, Arrivals, outcome_of
from bm_sync.engine.jail import BlockedError, Jail, replaced
from bm_sync.engine.lending import Lending
from bm_sync.engine.placing import ChangedError, Spot
from bm_sync.engine.scope import Errand, Giver, Scope, as_file
from bm_sync.engine.staging import Staging
from bm_sync.model.plan import KeepBoth, MakeDir, Move, RemoveDir, Restore, Trash
from bm_sync.model.run import Outcome
from bm_sync.model.tree import FileStamp, Side, Stamp
from bm_sync.rclone.remotes import Fs

_BACK_AT_ONCE = 500


class FolderHand:
    """The files below `root`; the trash lies below `base`, which is `root` or holds it."""

    here = True

    def __init__(self, side: Side, jail: Jail, base: Jail, scope: Scope) -> None:
        self.side = side
        self.jail = jail
        jail.hold()
        base.hold()
        self._scope = scope
        self._staging = Staging(base, scope, side)
        self._arrivals = Arrivals(side, self.jail, self._staging, scope)
        self._lending = Lending(jail, scope.rclone)
        self._touched = False

    async def recover(self) -> None:
        """Clear what a killed run left in staging."""
        self._staging.recover()

    async def prepare(self) -> None:
        """Make the root when it is missing, and the staging folder."""
        self.jail.make_root()
        base = self._staging.home
        if base is not self.jail:
            base.make_root()
            if not base.holds_folder(self.jail):
                raise replaced(base.root)
        await self._staging.open()

    async def portions(self, errands: Sequence[Errand]) -> list[list[Errand]]:
        """Return the errands in portions, each of which can be lent at once."""
        return await self._lending.portions(errands)

    def lend(self, paths: Sequence[str]) -> AbstractAsyncContextManager[Fs]:
        """Lend a root below which rclone finds these files, as long as they are there."""
        return self._lending.lend(paths)

    async def look(self, paths: Sequence[str]) -> dict[str, Stamp]:
        """Return the stamps of those plain files that are there."""
        seen: dict[str, Stamp] = {}
        for path in paths:
            with suppress(BlockedError, OSError):
                stamp = self.jail.look(path)
                if stamp is not None:
                    seen[path] = stamp
        return seen

    async def content(self, path: str, algorithm: str) -> str | None:
        """Return the content of one file, None when it cannot be read."""
        return await self._scope.content_at(self.jail, path, algorithm)

    async def vouch(self, errands: Sequence[Errand]) -> set[str]:
        """Return the paths of which this folder still holds the version that was planned."""
        seen = await self.look([e.path for e in errands])
        return {e.path for e in errands if seen.get(e.path) == e.source}

    async def trash(self, items: Sequence[Trash]) -> None:
        """Move files into this run's trash."""
        for item in items:
            expected = as_file(_mine(item.local, item.remote, self.side))
            await self._scope.allowed(self.side)
            with self._settling(item) as kept:
                kept.append(self._discard(item.path, expected))
                self._touched = True
                self._scope.ledger.forget(item.path)
            await asyncio.sleep(0)

    async def duplicate(self, items: Sequence[KeepBoth]) -> dict[str, Stamp]:
        """Keep losing versions under their new names."""
        made: dict[str, Stamp] = {}
        for item in items:
            expected = as_file(_mine(item.local, item.remote, self.side))
            old, new = Spot(self.jail, item.path), Spot(self.jail, item.copy_path)
            try:
                if item.gives_way:
                    made[item.copy_path] = self._rename(old, expected, new, aside=True)
                else:
                    half = self._staging.half
                    made[item.copy_path] = placing.duplicate(old, expected, new, half)
                self._touched = True
            except FAILURES as e:
                self._scope.ledger.settle(item, outcome_of(e), str(e))
        return made

    async def rename(self, items: Sequence[Move]) -> dict[str, Stamp]:
        """Rename files, never over another."""
        moved: dict[str, Stamp] = {}
        for item in items:
            expected = as_file(_mine(item.local, item.remote, self.side))
            await self._scope.allowed(self.side)
            with self._settling(item):
                old, new = Spot(self.jail, item.old_path), Spot(self.jail, item.path)
                moved[item.path] = self._rename(old, expected, new)
                self._touched = True
        return moved

    async def make_dirs(self, items: Sequence[MakeDir]) -> None:
        """Make empty folders."""
        for item in items:
            with self._settling(item):
                if item.path:
                    self.jail.make_dir(item.path)
                    self._scope.ledger.put_dirs.add(item.path)

    async def remove_dirs(self, items: Sequence[RemoveDir]) -> None:
        """Remove folders that are empty; one that is not stays and is told."""
        for item in items:
            with self._settling(item):
                if not self.jail.remove_dir(item.path):
                    raise ChangedError("the folder is not empty")
                self._scope.ledger.drop_dirs.add(item.path)

    async def receive(self, errands: Sequence[Errand], source: Giver) -> None:
        """Bring files into staging, check them, put them in place."""
        await self._arrivals.receive(errands, source)

    async def put_back(self, items: Sequence[Restore]) -> None:
        """Copy versions that are kept here into staging, then put them in place."""
        for first in range(0, len(items), _BACK_AT_ONCE):
            some = items[first : first + _BACK_AT_ONCE]
            ready = [errand for item in some if (errand := self._staged(item)) is not None]
            self._staging.flush()
            for errand in ready:
                await self._arrivals.put(errand, kept=True)

    async def finish(self) -> None:
        """Write everything to the disk, remove the staging folder and an empty home."""
        if self._touched or self._arrivals.touched:
            with self.jail.parent(".") as (folder, _):
                primitives.flush(folder)
        self._staging.clear()
        self.jail.release()
        self._staging.release()

    async def recheck(self) -> None:
        """Raise BmSyncError when the folder is not where it was any more; see `Staging.check`."""
        self._staging.check()
        if not self.jail.stands():
            raise replaced(self.jail.root)

    def _staged(self, item: Restore) -> Errand | None:
        """Copy a kept version into staging; settle the action when that cannot be done."""
        kept = Spot(self._staging.home if item.in_trash else self.jail, item.kept)
        try:
            stamp = placing.fetch(kept, self._staging.spot(item.path))
        except FAILURES as e:
            self._scope.ledger.settle(item, outcome_of(e), f"the version that was kept: {e}")
            return None
        return Errand(item.path, stamp, item.target, item.content, None, item)

    def _rename(
        self, old: Spot, expected: FileStamp, new: Spot, *, aside: bool = False
    ) -> FileStamp:
        """Rename a file; `aside` no other name leads to it then."""
        if self.jail.is_link(old.path):
            return placing.rename_link(old, expected, new, self._staging.kept(old.path))
        act = placing.set_aside if aside else placing.rename
        return act(old, expected, new)

    def _discard(self, path: str, expected: FileStamp) -> str:
        """Move a file into the trash and return where its version is now."""
        spot, trash = Spot(self.jail, path), self._staging.kept(path)
        if self.jail.is_link(path):
            return placing.discard_link(spot, expected, trash)
        placing.discard(spot, expected, trash)
        return trash.label

    def _settling(self, action: Trash | Move | MakeDir | RemoveDir) -> _Settling:
        return _Settling(self._scope, action)


class _Settling:
    """Settles an action by how its block ends; what is appended is where the version is kept."""

    def __init__(self, scope: Scope, action: Trash | Move | MakeDir | RemoveDir) -> None:
        self._scope = scope
        self._action = action
        self._kept: list[str] = []

    def __enter__(self) -> list[str]:
        return self._kept

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if error is None:
            kept = self._kept[0] if self._kept else None
            self._scope.ledger.settle(self._action, Outcome.DONE, kept=kept)
            return False
        if isinstance(error, FAILURES):
            self._scope.ledger.settle(self._action, outcome_of(error), str(error))
            return True
        return False


def _mine(local: Stamp | None, remote: Stamp | None, side: Side) -> Stamp:
    stamp = local if side is Side.LOCAL else remote
    assert stamp is not None  # noqa: S101 - an invariant of the planner
    return stamp

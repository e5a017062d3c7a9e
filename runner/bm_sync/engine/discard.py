"""Deletes on a remote while every version is kept there: what leaves goes to the run's trash.

Where the server moves files, one move does both, and a version saved in the very moment goes along
instead of being lost. Elsewhere it is a copy, a look, and a deletion.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from bm_sync.engine.distant import Distant
from bm_sync.model.plan import Trash
from bm_sync.model.run import Outcome
from bm_sync.model.tree import ObjectStamp
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.wire import RemoteEntry, Removal

_IMPOSSIBLE = "the remote deletes nothing; the file stays there"


class Discard:
    """The half of a distant hand that deletes."""

    def __init__(self, distant: Distant) -> None:
        self._distant = distant
        self._scope = distant.scope

    async def trash(self, items: Sequence[Trash]) -> None:
        """Move files into this run's trash."""
        if not items:
            return
        try:
            way = await self._scope.persist(
                lambda: self._scope.rclone.removal(self._distant.store.base)
            )
        except RcloneError as e:
            if e.fault is not Fault.FORBIDDEN:
                raise
            for item in items:  # who may not even try may still bring all other files here
                self._scope.ledger.settle(item, Outcome.FAILED, e.what)
            return
        match way:
            case Removal.COPY:
                await self._by_copy(items)
            case Removal.MOVE:
                await self._by_move(items)
            case Removal.NONE:
                for item in items:
                    self._scope.ledger.wait(item, _IMPOSSIBLE)

    async def reconsider(self) -> None:
        """Let a later plan delete what had to wait, if the remote deletes by now."""
        if self._scope.ledger.withheld:
            with suppress(RcloneError):
                await self._scope.rclone.reconsider(self._distant.store.base)

    async def _by_copy(self, items: Sequence[Trash]) -> None:
        kept = await self._distant.keep((i, i.path) for i in items)

        async def delete(item: Trash) -> None:
            there = self._distant.there(item.path)
            await self._scope.rclone.delete_file(self._distant.store.fs, there)
            self._scope.ledger.acknowledge(item, self._distant.kept_label(item.path))
            self._scope.ledger.forget(item.path)

        for item in await self._distant.each(await self._still(kept), delete):
            self._gone(item)
        await self._distant.drop_needless({i: self._distant.mine(i) for i in kept})

    async def _by_move(self, items: Sequence[Trash]) -> None:
        rclone, store = self._scope.rclone, self._distant.store

        async def move(item: Trash) -> None:
            place = self._distant.trash_path(item.path)
            await rclone.move_file(store.fs, self._distant.there(item.path), store.base, place)
            self._scope.ledger.acknowledge(item, self._distant.kept_label(item.path))

        moved = await self._distant.each(await self._still(items), move)
        kept = await self._kept(moved)
        for item in moved:
            if _alike(kept.get(self._distant.trash_path(item.path)), self._distant.mine(item)):
                self._scope.ledger.forget(item.path)
                self._gone(item)
            else:
                await self._bring_back(item)

    async def _still(self, items: Sequence[Trash]) -> list[Trash]:
        """Return those whose planned version still stands there."""
        seen = await self._distant.look([i.path for i in items])
        return [i for i in items if self._distant.still(i, seen.get(i.path), self._distant.mine(i))]

    async def _kept(self, items: Sequence[Trash]) -> dict[str, RemoteEntry]:
        """Return what has arrived in the trash."""
        paths = [self._distant.trash_path(i.path) for i in items]
        if not paths:
            return {}
        return await self._scope.persist(
            lambda: self._scope.rclone.list_some(
                self._distant.store.base,
                paths,
                features=self._distant.store.features,
                mtime=False,
                content=True,
            )
        )

    async def _bring_back(self, item: Trash) -> None:
        """Give a version that nobody planned to delete its name again."""
        rclone, store = self._scope.rclone, self._distant.store
        place = self._distant.trash_path(item.path)
        detail = "the file was changed"
        try:
            await self._distant.once(
                lambda: rclone.move_file(
                    store.base, place, store.fs, self._distant.there(item.path)
                )
            )
        except RcloneError as e:
            detail = f"{detail}; it is kept as {self._distant.kept_label(item.path)}: {e.what}"
        self._scope.ledger.settle(item, Outcome.DROPPED, detail)

    def _gone(self, item: Trash) -> None:
        kept = self._distant.kept_label(item.path)
        self._scope.ledger.settle(item, Outcome.DONE, kept=kept)


def _alike(found: RemoteEntry | None, planned: ObjectStamp) -> bool:
    """Return whether both may be one version; a move may change the time and the tag."""
    return found is not None and (found.size, found.content) == (planned.size, planned.content)

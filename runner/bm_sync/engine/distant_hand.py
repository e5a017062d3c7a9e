"""Acts on a side behind rclone: a bucket, a WebDAV or SFTP server, a drive.

A version that will be replaced or deleted is first copied into the run's trash on the remote, then
looked at again, then replaced or deleted. Where the store honours conditions each upload says which
version it replaces; elsewhere the look right before is all there is, and its window stays open.

Deletes on a remote while every version is kept there: what leaves goes to the run's trash.

Where the server moves files, one move does both, and a version saved in the very moment goes along
instead of being lost. Elsewhere it is a copy, a look, and a deletion.

Brings versions back that a remote itself keeps, in its trash or in a conflict copy.

Server-side. What stands at the path is kept and looked at first; what then stands there is compared
with what was kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

from bm_sync.engine.departures import Departures
from bm_sync.engine.distant import Distant, Store
from bm_sync.engine.relay import Relay
from bm_sync.engine.scope import Errand, Giver, Scope, agreed, as_object
from bm_sync.model.plan import KeepBoth, MakeDir, Move, RemoveDir, Restore, Trash
from bm_sync.model.run import Outcome
from bm_sync.model.tree import ObjectStamp, Side, Stamp, same_version
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.remotes import Fs
from bm_sync.rclone.wire import RemoteEntry, Removal


class PuttingBack:
    """The half of a distant hand that brings kept versions back."""

    def __init__(self, distant: Distant) -> None:
        self._distant = distant
        self._scope = distant.scope

    async def put_back(self, items: Sequence[Restore]) -> None:
        """Copy versions to their places."""
        replacing = [i for i in items if i.target is not None]
        kept = await self._distant.keep((i, i.path) for i in replacing)
        ready = kept + [i for i in items if i.target is None]
        seen = await self._distant.look([i.path for i in ready])
        good = [i for i in ready if self._unmoved(i, seen.get(i.path))]

        async def copy(item: Restore) -> None:
            home = self._home(item)
            fs, there = self._distant.store.fs, self._distant.there(item.path)
            await self._scope.rclone.copy_file(home, item.kept, fs, there)
            label = self._distant.kept_label(item.path) if item.target is not None else None
            self._scope.ledger.acknowledge(item, label, item.content)

        done = await self._distant.each(good, copy)
        stands = await self._distant.look([i.path for i in done])
        stuck = [i for i in done if self._is_unmoved(i, stands.get(i.path))]
        if stuck:  # a remote of several shows what another member holds: that has to go first
            await self._distant.each(stuck, self._clear)
            await self._distant.each(stuck, copy)
            stands |= await self._distant.look([i.path for i in stuck])
        for item in done:
            self._verify(item, stands.get(item.path))

    def _home(self, item: Restore) -> Fs:
        return self._distant.store.base if item.in_trash else self._distant.store.fs

    async def _clear(self, item: Restore) -> None:
        await self._scope.rclone.delete_file(self._distant.store.fs, item.path)

    def _is_unmoved(self, item: Restore, seen: Stamp | None) -> bool:
        """Return whether the version to be replaced still stands, as far as its stamp can tell."""
        hashless = seen is not None and as_object(seen).content is None
        return hashless and same_version(seen, item.target)

    def _unmoved(self, item: Restore, seen: Stamp | None) -> bool:
        if same_version(seen, item.target):
            return True
        what = "another version has appeared on the remote" if seen else "the file has vanished"
        self._scope.ledger.settle(item, Outcome.DROPPED, what)
        return False

    def _verify(self, item: Restore, stamp: Stamp | None) -> None:
        """Settle an action by what stands at its path now."""
        ledger = self._scope.ledger
        if stamp is None or not _may_be(item, as_object(stamp)):
            ledger.settle(
                item, Outcome.FAILED, "what stands there is not the version that was kept"
            )
            return
        content = item.content or as_object(stamp).content
        ledger.agree(item.path, agreed(self._distant.side, content, stamp, stamp))
        label = self._distant.kept_label(item.path) if item.target is not None else None
        ledger.settle(item, Outcome.DONE, kept=label)
        self._scope.arrived(item.size)


def _may_be(item: Restore, stamp: ObjectStamp) -> bool:
    """Return whether what stands there may be the kept version; a hash tells, else the size."""
    if stamp.size != item.size:
        return False
    if item.content is None or stamp.content is None:
        return True
    alike = item.content.partition(":")[0] == stamp.content.partition(":")[0]
    return not alike or item.content == stamp.content


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
            if _is_same(kept.get(self._distant.trash_path(item.path)), self._distant.mine(item)):
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


def _is_same(found: RemoteEntry | None, planned: ObjectStamp) -> bool:
    """Return whether both may be one version; a move may change the time and the tag."""
    return found is not None and (found.size, found.content) == (planned.size, planned.content)


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

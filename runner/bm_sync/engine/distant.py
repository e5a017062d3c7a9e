"""What both halves of a distant hand do on a remote: look, keep a version, act on many at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from msgspec import Struct, field

from bm_sync import layout
from bm_sync.engine.place import as_opaque
from bm_sync.engine.scope import Errand, Scope, as_object
from bm_sync.model.plan import Copy, KeepBoth, MakeDir, Move, RemoveDir, Restore, Trash
from bm_sync.model.run import Outcome
from bm_sync.model.tree import ObjectStamp, Side, Stamp, same_version
from bm_sync.plan.spellings import Aliases, fold, renamed
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.remotes import Fs
from bm_sync.rclone.wire import Features, RemoteEntry
from bm_sync.structs import replace

_FITS_BYTES = 800  # of a place in the trash, so that S3's 1,024 leave room for the remote's root
_LIST_PER_LOOK = 500  # objects whose listing costs about as much as one look at a single file

Acting = TypeVar("Acting", bound=Copy | Restore | Trash | Move | KeepBoth | MakeDir | RemoveDir)


class Store(Struct, frozen=True):
    """A project's place on a remote: `fs` is its root, `base` the remote's root above it.

    `names` are the files that the last listing saw; `conditions` tells whether uploads may say
    which version they replace. `on_opaque` is told when the hashes it lists turn out to be none.
    `aliases` are names that it lists otherwise than they are planned with.
    """

    fs: Fs
    base: Fs
    features: Features
    names: Collection[str]
    conditions: Callable[[], Awaitable[bool]]
    litter: tuple[str, ...] = ()
    on_opaque: Callable[[], None] = lambda: None
    aliases: Aliases = field(default_factory=dict)

    @property
    def spellings(self) -> Aliases:
        """Return the remote's own names, by the paths that are planned with."""
        return {path: listed for listed, path in self.aliases.items()}


class Distant:
    """A project's place on a remote, in one run."""

    def __init__(self, store: Store, scope: Scope, side: Side) -> None:
        self.side = side
        self.store = store
        self.scope = scope
        self._short: set[str] = set()  # paths whose place in the trash the remote refused

    def turn_opaque(self) -> None:
        """Take what the remote lists as hashes for names of versions from now on."""
        store = self.store
        store.on_opaque()
        fs, features = as_opaque(store.fs, store.features)
        base = replace(store.base, opaque=True)
        self.store = replace(store, fs=fs, base=base, features=features)

    async def look(self, paths: Sequence[str]) -> dict[str, Stamp]:
        """Return the stamps of those files that are there, by single looks or one listing.

        A server may list a file under another spelling than it was sent: that one is asked for.
        """
        if not paths:
            return {}
        rclone, features = self.scope.rclone, self.store.features
        wanted = set(paths)
        if len(wanted) > 1 + len(self.store.names) // _LIST_PER_LOOK:
            tree = await self.scope.persist(
                lambda: rclone.list_tree(self.store.fs, features=features)
            )
            spelt = {renamed(e.path, self.store.aliases): e for e in tree.entries if not e.is_dir}
            found = {p: _stamp(e) for p, e in spelt.items() if p in wanted}
            listed = {fold(p) for p in spelt}
            wanted = {p for p in wanted - found.keys() if fold(p) in listed}
        else:
            found = {}
        if wanted:
            seen = await self.scope.persist(
                lambda: rclone.list_some(
                    self.store.fs,
                    list(wanted),
                    features=features,
                    mtime=not features.slow_mtime,
                    content=features.hash is not None,
                )
            )
            found |= {e.path: _stamp(e) for e in seen.values() if not e.is_dir}
        return found

    def there(self, path: str) -> str:
        """Return the name that the remote itself has for a path: what is written keeps it."""
        return renamed(path, self.store.spellings) if self.store.aliases else path

    async def keep(self, items: Iterable[tuple[Acting, str]]) -> list[Acting]:
        """Copy versions into the trash server-side; return the actions whose version is kept."""
        paths = dict(items)

        async def copy(item: Acting) -> None:
            path = paths[item]
            try:
                await self._keep_at(self.trash_path(path), path)
            except RcloneError as e:
                if e.fault is not Fault.NAME or path in self._short:
                    raise
                self._short.add(path)
                await self._keep_at(self.trash_path(path), path)

        return await self.each(list(paths), copy)

    async def drop_needless(self, kept: Mapping[Acting, Stamp]) -> None:
        """Remove the copies of versions that were kept for nothing: they stand where they stood.

        Each try would leave another one. `kept` tells the version of each action.
        """
        ledger = self.scope.ledger
        idle = {i: stamp for i, stamp in kept.items() if ledger.outcome(i) is not Outcome.DONE}
        seen = await self.look([i.path for i in idle])
        for item, stamp in idle.items():
            if same_version(seen.get(item.path), stamp):
                with suppress(RcloneError):
                    place = self.trash_path(item.path)
                    await self.scope.rclone.delete_file(self.store.base, place)

    async def clear_trash(self) -> None:
        """Remove half copies that killed runs left in the trash of this project."""
        scope, base = self.scope, self.store.base
        for run in scope.site.state.past.unfinished(scope.key) - {scope.run}:
            kept = base.at(layout.trash(run, scope.project))
            listed = partial(scope.rclone.list_tree, kept, features=self.store.features)
            try:
                found = await scope.persist(listed)
            except RcloneError as e:
                if e.fault is not Fault.MISSING:
                    raise
                continue
            halves = (e.path for e in found.entries if e.path.endswith(scope.site.partial_suffix))
            for path in halves:
                await self.once(partial(scope.rclone.delete_file, kept, path))

    def kept_label(self, path: str) -> str:
        """Return where the replaced version of `path` is kept, as a person reads it."""
        return f"{self.store.base.label}/{self.trash_path(path)}"

    def kept_of(self, errand: Errand) -> str | None:
        """Return where the version that an upload replaces is kept; None where it replaces none."""
        if errand.kept_as is None and errand.target is not None:
            return self.kept_label(errand.path)
        return errand.kept_as

    async def once(self, act: Callable[[], Awaitable[object]]) -> None:
        """Do one remote operation, again while its failure may pass by itself."""
        await self.scope.persist(act)

    async def each(
        self, items: Sequence[Acting], act: Callable[[Acting], Awaitable[None]]
    ) -> list[Acting]:
        """Do `act` for all, a few at once; settle those that fail; return the others in order."""
        gate = asyncio.Semaphore(self.scope.policy.limits.transfers)

        async def one(item: Acting) -> bool:
            async with gate:
                try:
                    await self.once(lambda: act(item))
                except RcloneError as e:
                    self.fail(item, e)
                    return False
                return True

        done = await asyncio.gather(*(one(i) for i in items), return_exceptions=True)
        for end in done:  # what concerns all is raised when none is at work any more
            if isinstance(end, BaseException):
                raise end
        return [i for i, good in zip(items, done, strict=True) if good]

    def fail(self, item: Acting, error: RcloneError) -> None:
        """Settle an action that rclone refused; a version that changed meanwhile is dropped."""
        gone = error.fault in (Fault.CHANGED, Fault.MISSING)
        outcome = Outcome.DROPPED if gone else Outcome.FAILED
        detail = "another version has appeared" if error.fault is Fault.CHANGED else error.what
        self.scope.ledger.settle(item, outcome, detail)

    def trash_path(self, path: str) -> str:
        """Return where the run keeps `path`, below the remote's root.

        What is longer than the remote takes, or may be, is kept under a short name; the record of
        the run knows what it is.
        """
        place = f"{self.scope.trash}/{path}"
        if path in self._short or len(os.fsencode(place)) > _FITS_BYTES:
            return layout.kept_short(self.scope.trash, path)
        return place

    async def _keep_at(self, place: str, path: str) -> None:
        await self.scope.rclone.copy_file(self.store.fs, path, self.store.base, place)

    def mine(self, item: Trash | Move | KeepBoth) -> ObjectStamp:
        """Return the stamp that an action was decided on, of this side."""
        stamp = item.local if self.side is Side.LOCAL else item.remote
        assert stamp is not None  # noqa: S101 - an invariant of the planner
        return as_object(stamp)

    def still(self, item: Acting, seen: Stamp | None, expected: ObjectStamp) -> bool:
        """Return whether the planned version still stands; settle the action when not."""
        if same_version(seen, expected):
            return True
        what = "the file has vanished" if seen is None else "the file was changed"
        self.scope.ledger.settle(item, Outcome.DROPPED, what)
        return False


def _stamp(entry: RemoteEntry) -> Stamp:
    return ObjectStamp(entry.size, entry.content, entry.mtime_ns, entry.tag)

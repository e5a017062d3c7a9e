"""What the trash of a side holds, for a folder of this machine and for a place behind rclone.

Places are paths below the side's base, `layout.TRASH/RUN/PROJECT/PATH`. Nothing here decides.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from bm_sync import access, layout
from bm_sync.engine import contents
from bm_sync.engine.identity import at_source
from bm_sync.engine.jail import BlockedError, Jail
from bm_sync.engine.lending import L, Lending
from bm_sync.engine.observe import Seen
from bm_sync.engine.place import Place, apart
from bm_sync.engine.site import Site
from bm_sync.model.config import FolderRemote, Project, Retry
from bm_sync.model.tree import ObjectStamp, Side, Stamp
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.remotes import Fs


class Keeper(Protocol):
    """The trash of one side."""

    label: str
    here: bool

    async def look(self, places: Collection[str]) -> dict[str, Stamp]:
        """Return the stamps of those plain files that are there."""

    async def content(self, place: str, algorithm: str) -> str | None:
        """Return the digest of a kept version, None when it cannot be read."""

    async def recorded(self, place: str, algorithm: str) -> str | None:
        """Return the digest of a kept version where that can be told without a download."""

    async def portions(self, folder: str, loads: Sequence[L]) -> list[list[L]]:
        """Return files below a folder in portions, each of which can be lent at once."""

    def lend(self, folder: str, paths: Sequence[str]) -> AbstractAsyncContextManager[Fs]:
        """Lend a root below which rclone finds these files of a folder below the base."""

    async def fetch(self, place: str, target: Path) -> None:
        """Copy a kept version into a file of this machine; raises BmSyncError."""

    def beside(self, folder: Path) -> Keeper:
        """Return what gives files of a private folder of this machine as a trash does."""

    async def runs(self) -> tuple[str, ...]:
        """Return the names of the runs that keep something, the oldest first."""

    async def files(self, folder: str) -> Mapping[str, int]:
        """Return the size of every file below a folder."""

    async def purge(self, run: str, project: str) -> None:
        """Remove for good what a run keeps of a project."""

    async def lay(self, place: str, data: bytes) -> None:
        """Write a new version to where it is brought from."""

    async def clear_new(self) -> None:
        """Remove all new versions, also those of a killed run."""


def keepers_of(seen: Seen, site: Site) -> dict[Side, Keeper]:
    """Return the trash of both sides of a project that was observed."""
    return {side: _keeper(seen, side, site) for side in Side}


def near_keeper(seen: Seen, site: Site) -> Keeper:
    """Return the trash of the near side, where new versions are laid out, too."""
    return _keeper(seen, Side.LOCAL, site)


def _keeper(seen: Seen, side: Side, site: Site) -> Keeper:
    store = seen.store_on(side)
    if store is not None:
        place = Place(store.fs, store.base, store.features)
        return StoreKeeper(place, site, seen.project.policy.retry)
    folder, remote = seen.folder_on(side), seen.project.remote
    if side is Side.REMOTE and isinstance(remote, FolderRemote):
        folder = remote.root
    assert folder is not None  # noqa: S101 - see `observe`
    return FolderKeeper(folder, site)


async def keepers_unseen(project: Project, site: Site) -> dict[Side, Keeper]:
    """Return the trash of each side that a project has, without a look at its files."""
    found: dict[Side, Keeper] = {}
    if project.local is not None:
        found[Side.LOCAL] = FolderKeeper(_real(project.local), site)
    there = at_source(project)
    if there is not None:
        near = await site.patiently(project.policy.retry, lambda: site.place(there))
        place = apart(near, there.remote)
        found[Side.LOCAL] = StoreKeeper(place, site, project.policy.retry)
    match project.remote:
        case None:
            pass
        case FolderRemote(root=root):
            found[Side.REMOTE] = FolderKeeper(root, site)
        case _:
            place = await site.patiently(project.policy.retry, lambda: site.place(project))
            found[Side.REMOTE] = StoreKeeper(place, site, project.policy.retry)
    return found


def _real(folder: Path) -> Path:
    return Path(os.path.realpath(folder))


class FolderKeeper:
    """The trash below a folder of this machine."""

    here = True

    def __init__(self, base: Path, site: Site) -> None:
        self.label = str(base)
        self._jail = Jail(base)
        self._site = site

    async def look(self, places: Collection[str]) -> dict[str, Stamp]:
        """Return the stamps of those plain files that are there."""
        seen: dict[str, Stamp] = {}
        for place in places:
            with self._told(place), suppress(BlockedError):
                stamp = self._jail.look(place)
                if stamp is not None:
                    seen[place] = stamp
        return seen

    @contextmanager
    def _told(self, place: str) -> Iterator[None]:
        """Say what the system refuses: a version that may not be looked at is not one that went."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as e:
            raise access.unreachable(self._jail.root / place, e) from e

    async def content(self, place: str, algorithm: str) -> str | None:
        """Return the digest of a kept version."""
        if not contents.computable(algorithm):
            return await self._site.hash_by_rclone(self._jail, place, algorithm)
        read = await contents.digest(self._jail, place, algorithm)
        return read[1] if read else None

    async def recorded(self, place: str, algorithm: str) -> str | None:
        """Return the digest of a kept version, which others may have written to."""
        return await self.content(place, algorithm)

    async def portions(self, folder: str, loads: Sequence[L]) -> list[list[L]]:
        """Return files below a folder in portions, each of which can be lent at once."""
        return await Lending(self._jail, self._site.rclone, folder).portions(loads)

    def lend(self, folder: str, paths: Sequence[str]) -> AbstractAsyncContextManager[Fs]:
        """Lend a root below which rclone finds these files of a folder below the base."""
        return Lending(self._jail, self._site.rclone, folder).lend(paths)

    async def fetch(self, place: str, target: Path) -> None:
        """Copy a kept version."""
        with os.fdopen(self._jail.open(place), "rb") as source, target.open("wb") as copy:
            await asyncio.to_thread(shutil.copyfileobj, source, copy)

    def beside(self, folder: Path) -> Keeper:
        """Return what gives files of a private folder of this machine as a trash does."""
        return FolderKeeper(folder, self._site)

    async def runs(self) -> tuple[str, ...]:
        """Return the names of the runs that keep something."""
        with (
            suppress(FileNotFoundError, BlockedError),
            self._told(layout.TRASH),
            self._jail.parent(f"{layout.TRASH}/.") as (here, _),
        ):
            return tuple(sorted(entry.name for entry in os.scandir(here)))
        return ()

    async def files(self, folder: str) -> Mapping[str, int]:
        """Return the size of every file below a folder."""
        found: dict[str, int] = {}
        with (
            suppress(FileNotFoundError, BlockedError),
            self._told(folder),
            self._jail.parent(f"{folder}/.") as (top, _),
        ):
            for here, _, names, descriptor in os.fwalk(dir_fd=top, follow_symlinks=False):
                for name in names:
                    info = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    if stat.S_ISREG(info.st_mode):
                        found[posixpath.normpath(f"{here}/{name}")] = info.st_size
        return found

    async def lay(self, place: str, data: bytes) -> None:
        """Write a new version to where it is brought from."""
        new = self._jail.below(layout.NEW, 0o700)  # it may be a new version of a private file
        with new.parent(place.removeprefix(f"{layout.NEW}/"), make=True) as (here, name):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=here)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(name, flags, 0o666, dir_fd=here), "wb") as file:
                file.write(data)

    async def clear_new(self) -> None:
        """Remove all new versions, also those of a killed run."""
        with (
            suppress(FileNotFoundError, BlockedError),
            self._jail.parent(layout.NEW) as (here, name),
        ):
            shutil.rmtree(name, dir_fd=here)

    async def purge(self, run: str, project: str) -> None:
        """Remove for good what a run keeps of a project, and the folders that are empty then."""
        folder = layout.trash(run, project)
        with suppress(FileNotFoundError, BlockedError), self._jail.parent(folder) as (here, name):
            shutil.rmtree(name, dir_fd=here)
        for empty in (f"{layout.TRASH}/{run}", layout.TRASH):
            with suppress(BlockedError, FileNotFoundError):
                self._jail.remove_dir(empty)


class StoreKeeper:
    """The trash on a remote behind rclone."""

    here = False

    def __init__(self, place: Place, site: Site, retry: Retry) -> None:
        self.label = place.base.label
        self._store = place
        self._site = site
        self._retry = retry

    async def look(self, places: Collection[str]) -> dict[str, Stamp]:
        """Return the stamps of those files that are there."""
        features = self._store.features
        if not places:
            return {}
        found = await self._site.patiently(
            self._retry,
            lambda: self._site.rclone.list_some(
                self._store.base,
                list(places),
                features=features,
                mtime=not features.slow_mtime,
                content=features.hash is not None,
            ),
        )
        return {
            path: ObjectStamp(e.size, e.content, e.mtime_ns, e.tag)
            for path, e in found.items()
            if not e.is_dir
        }

    async def content(self, place: str, algorithm: str) -> str | None:
        """Return the digest of a kept version; it is downloaded where the remote tells none."""
        store = self._store
        with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
            told = await self._site.patiently(
                self._retry,
                lambda: self._site.rclone.contents(
                    store.base, [place], features=store.features, scratch=Path(scratch)
                ),
            )
        found = told.get(place)
        return found if found is not None and found.startswith(f"{algorithm}:") else None

    async def recorded(self, place: str, algorithm: str) -> str | None:
        """Return the digest that a listing tells."""
        stamp = (await self.look([place])).get(place)
        content = stamp.content if isinstance(stamp, ObjectStamp) else None
        return content if content is not None and content.startswith(f"{algorithm}:") else None

    async def portions(self, folder: str, loads: Sequence[L]) -> list[list[L]]:  # noqa: ARG002
        """Return all of them at once."""
        return [list(loads)] if loads else []

    @asynccontextmanager
    async def lend(self, folder: str, paths: Sequence[str]) -> AsyncIterator[Fs]:  # noqa: ARG002
        """Lend a folder below the base."""
        yield self._store.base.at(folder)

    async def fetch(self, place: str, target: Path) -> None:
        """Copy a kept version."""
        here = self._site.rclone.local(target.parent)
        await self._site.patiently(
            self._retry,
            lambda: self._site.rclone.copy_file(self._store.base, place, here, target.name),
        )

    def beside(self, folder: Path) -> Keeper:
        """Return what gives files of a private folder of this machine as a trash does."""
        return FolderKeeper(folder, self._site)

    async def runs(self) -> tuple[str, ...]:
        """Return the names of the runs that keep something."""
        return tuple(sorted({path.partition("/")[0] for path in await self.files(layout.TRASH)}))

    async def files(self, folder: str) -> Mapping[str, int]:
        """Return the size of every file below a folder."""
        fs, features = self._store.base.at(folder), self._store.features
        try:
            listing = await self._site.patiently(
                self._retry, lambda: self._site.rclone.list_tree(fs, features=features)
            )
        except RcloneError as e:
            if e.fault is Fault.MISSING:
                return {}
            raise
        return {e.path: e.size for e in listing.entries if not e.is_dir}

    async def purge(self, run: str, project: str) -> None:
        """Remove for good what a run keeps of a project, and the folders that are empty then."""
        rclone, base = self._site.rclone, self._store.base
        await rclone.purge(base, layout.trash(run, project))
        if self._store.features.has_folders:
            for empty in (f"{layout.TRASH}/{run}", layout.TRASH):
                await rclone.rmdir(base, empty)

    async def lay(self, place: str, data: bytes) -> None:
        """Write a new version to where it is brought from."""
        with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
            (Path(scratch) / "version").write_bytes(data)
            here = self._site.rclone.local(Path(scratch))
            await self._site.patiently(
                self._retry,
                lambda: self._site.rclone.copy_file(here, "version", self._store.base, place),
            )

    async def clear_new(self) -> None:
        """Remove all new versions, also those of a killed run."""
        await self._site.rclone.purge(self._store.base, layout.NEW)

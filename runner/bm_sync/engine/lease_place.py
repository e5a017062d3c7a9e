"""Where a lease lies: a file in a folder of this machine, or an object on a remote behind rclone.

A place takes a lease only where none stands and replaces only the one that was read; how surely it
can do that is its `exact`. Nothing here decides who may have it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from bm_sync import layout
from bm_sync.engine import primitives
from bm_sync.engine.jail import BlockedError, Jail
from bm_sync.engine.lease_note import MAX_BYTES
from bm_sync.engine.primitives import Place as Spot
from bm_sync.engine.primitives import RefusedError
from bm_sync.engine.routed import Routed
from bm_sync.errors import BmSyncError
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.remotes import Fs
from bm_sync.rclone.wire import Features, RemoteEntry

_S3 = "s3"
_NEW = "lease.new-"


class Found(Struct, frozen=True):
    """A lease that stands: its bytes, and what the store calls this version."""

    data: bytes
    tag: str | None = None


class Slot(Struct, frozen=True):
    """The file that a place holds: its path below the root, bytes at most, what it is."""

    path: str = layout.LEASE
    most: int = MAX_BYTES
    what: str = "the lease"


LEASE = Slot()


class LeasePlace(Protocol):
    """One place on one remote: for a lease, or for anything else that one holder replaces.

    `exact`: of several who ask at once one gets it. Elsewhere it is advisory.
    """

    label: str
    exact: bool

    async def read(self) -> Found | None:
        """Return the lease that stands, None when there is none."""

    async def create(self, data: bytes) -> Found | None:
        """Put a lease where none stands; None when another does."""

    async def replace(self, old: Found, data: bytes) -> Found | None:
        """Put a lease in the place of the one that was read; None when that has changed."""

    async def remove(self) -> None:
        """Take the lease away; nothing of it stays behind."""

    async def age_s(self) -> float | None:
        """Return how long ago the lease was written, by the store's own clock, if it tells."""


class FolderPlace:
    """A lease below a folder of this machine; the system renames in one step."""

    exact = True

    def __init__(self, root: Path, label: str, slot: Slot = LEASE) -> None:
        self.label = label
        self._slot = slot
        self._root = root
        self._jail = Jail(root)

    async def read(self) -> Found | None:
        """Return the lease that stands, None when there is none."""
        try:
            with os.fdopen(self._jail.open(self._slot.path), "rb") as file:
                return Found(file.read(self._slot.most + 1))
        except FileNotFoundError:
            return None
        except (OSError, BlockedError) as e:
            raise self._unusable(e) from e

    async def create(self, data: bytes) -> Found | None:
        """Put a lease where none stands; None when another does."""
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            with self._jail.parent(self._slot.path, make=True) as spot:
                new = self._written(spot, data)
                try:
                    primitives.move_new(new, spot, reserve=True)
                except FileExistsError:
                    os.unlink(new[1], dir_fd=new[0])
                    return None
        except FileNotFoundError:  # our folder went with a lease that was given back just now
            return None
        except (OSError, BlockedError) as e:
            raise self._unusable(e) from e
        return Found(data)

    async def replace(self, old: Found, data: bytes) -> Found | None:
        """Put a lease in the place of the one that was read; None when that has changed."""
        try:
            with self._jail.parent(self._slot.path) as spot:
                new = self._written(spot, data)
                try:
                    swapped = _swap(new, spot, old, self._slot.most)
                finally:
                    with suppress(FileNotFoundError):
                        os.unlink(new[1], dir_fd=new[0])
        except FileNotFoundError:
            return None
        except (OSError, BlockedError) as e:
            raise self._unusable(e) from e
        return Found(data) if swapped else None

    async def remove(self) -> None:
        """Take the lease away, and our folder when nothing else lies in it."""
        try:
            with self._jail.parent(self._slot.path) as (folder, name):
                left = [n for n in os.listdir(folder) if n.startswith(_NEW)]  # noqa: PTH208 - the same
                for gone in (name, *left):  # of killed runs; who is at work asks again
                    with suppress(FileNotFoundError):
                        os.unlink(gone, dir_fd=folder)
                if os.listdir(folder) == [".gitignore"]:  # noqa: PTH208 - an open folder
                    os.unlink(".gitignore", dir_fd=folder)
            self._jail.remove_dir(layout.HOME)
        except FileNotFoundError:
            return
        except (OSError, BlockedError) as e:
            raise self._unusable(e) from e

    async def age_s(self) -> float | None:
        """Return None: the folder may be another machine's, whose clock is not ours."""
        return None

    def _written(self, spot: Spot, data: bytes) -> Spot:
        """Return a new file beside the lease that holds `data`."""
        if self._slot != LEASE:  # one holder writes it, so what lies here is a killed run's
            for left in os.listdir(spot[0]):  # noqa: PTH208 - an open folder
                if left.startswith(_NEW):
                    os.unlink(left, dir_fd=spot[0])
        new = spot[0], _NEW + secrets.token_hex(8)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(new[1], flags, 0o666, dir_fd=new[0]), "wb") as file:
            file.write(data)
        return new

    def _unusable(self, error: Exception) -> BmSyncError:
        said = error.strerror if isinstance(error, OSError) else error
        return BmSyncError(
            f"{self._slot.what} {self.label}/{self._slot.path} cannot be kept: {said}",
            hint=f"check the permissions of the folder, and what stands at {layout.HOME} there",
        )


def _swap(new: Spot, spot: Spot, old: Found, most: int) -> bool:
    """Put `new` in the place of a lease that still is `old`; another one is put back."""
    try:
        primitives.exchange(new, spot)
    except RefusedError:
        if _bytes_at(spot, most) != old.data:
            return False
        os.replace(new[1], spot[1], src_dir_fd=new[0], dst_dir_fd=spot[0])
        return True
    if _bytes_at(new, most) == old.data:
        return True
    primitives.exchange(new, spot)
    return False


def _bytes_at(spot: Spot, most: int) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    with os.fdopen(os.open(spot[1], flags, dir_fd=spot[0]), "rb") as file:
        return file.read(most + 1)


class DistantPlace:
    """A lease below `fs`; `conditions` tells whether uploads may say what they replace."""

    def __init__(
        self,
        rclone: Routed,
        fs: Fs,
        features: Features,
        *,
        conditions: bool,
        slot: Slot = LEASE,
    ) -> None:
        self.label = fs.label
        self._path, self._most = slot.path, slot.most
        self.exact = conditions and fs.type == _S3
        self._rclone = rclone
        self._fs = fs
        self._features = features
        self._conditions = conditions

    async def read(self) -> Found | None:
        """Return the lease that stands, None when there is none."""
        entry = await self._entry()
        if entry is None:
            return None
        if entry.size > self._most:
            return Found(b"", _tag(entry))
        with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
            here = self._rclone.local(Path(scratch))
            try:
                await self._rclone.copy_file(self._fs, self._path, here, "lease")
            except RcloneError as e:
                if e.fault is Fault.MISSING:
                    return None
                raise
            data = (Path(scratch) / "lease").read_bytes()
        if self._fs.type == _S3:
            return Found(data, _md5(data))
        return Found(data, _tag(entry))

    async def create(self, data: bytes) -> Found | None:
        """Put a lease where none stands; None when another does."""
        if not self._conditions and await self.read() is not None:
            return None
        return await self._put(data, if_none=self._conditions)

    async def replace(self, old: Found, data: bytes) -> Found | None:
        """Put a lease in the place of the one that was read; None when that has changed."""
        if not self.exact and await self.read() != old:
            return None
        return await self._put(data, if_match=old.tag if self._conditions else None)

    async def remove(self) -> None:
        """Take the lease away, and our folder when nothing else lies in it."""
        try:
            await self._rclone.delete_file(self._fs, self._path)
        except RcloneError as e:
            if e.fault is not Fault.MISSING:
                raise
        if self._features.has_folders:
            await self._rclone.rmdir(self._fs, layout.HOME)

    async def age_s(self) -> float | None:
        """Return how long ago the lease was written, by the store's own clock, if it tells."""
        return await self._rclone.age_s(self._fs, self._path) if self.exact else None

    async def _put(
        self, data: bytes, *, if_match: str | None = None, if_none: bool = False
    ) -> Found | None:
        """Write; a refusal may be the answer to our own write, whose reply was lost."""
        with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
            (Path(scratch) / "lease").write_bytes(data)
            here = self._rclone.local(Path(scratch))
            try:
                await self._rclone.copy_file(
                    here, "lease", self._fs, self._path, if_match=if_match, if_none=if_none
                )
            except RcloneError as e:
                if e.fault not in (Fault.CHANGED, Fault.MISSING):
                    raise
            else:
                if self.exact:
                    return Found(data, _md5(data))
        standing = await self.read()
        return standing if standing is not None and standing.data == data else None

    async def _entry(self) -> RemoteEntry | None:
        found = await self._rclone.list_some(
            self._fs, [self._path], features=self._features, mtime=False, content=True
        )
        entry = found.get(self._path)
        return None if entry is None or entry.is_dir else entry


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _tag(entry: RemoteEntry) -> str | None:
    algorithm, _, value = (entry.content or "").partition(":")
    return value if algorithm == "md5" else entry.tag

"""Where the machines of a fleet leave their notes: a folder of this machine, or one on a remote.

Each machine writes only its own file. Nothing here knows what a note says.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from bm_sync.engine.fleet_note import MAX_BYTES
from bm_sync.engine.jail import BlockedError, Jail
from bm_sync.engine.routed import Routed
from bm_sync.engine.site import Site
from bm_sync.errors import BmSyncError
from bm_sync.model.config import FolderRemote
from bm_sync.model.fleet import Fleet
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.remotes import Fs
from bm_sync.rclone.wire import Features

_NEW = ".new-"


class FleetPlace(Protocol):
    """The folder of the notes."""

    async def put(self, name: str, data: bytes) -> None:
        """Put a note in the place of the one of that name."""

    async def sizes(self) -> dict[str, int]:
        """Return every file by its name, with its bytes; nothing where there is no folder yet."""

    async def read(self, names: Collection[str]) -> dict[str, bytes]:
        """Return the files that can be read."""

    async def remove(self, name: str) -> None:
        """Take a note away; one that is gone is fine."""


async def place_of(fleet: Fleet, site: Site) -> FleetPlace:
    """Return the place of a fleet; raises BmSyncError when its remote cannot be reached."""
    if isinstance(fleet.remote, FolderRemote):
        return FolderPlace(fleet.remote.root, fleet.path)
    base, features = await site.connected(fleet.remote)
    return DistantPlace(site.rclone, base.at(fleet.path), features)


class FolderPlace:
    """Notes below a folder of this machine; no symbolic link is followed below `root`."""

    def __init__(self, root: Path, path: str) -> None:
        self._root = root
        self._path = path
        self._jail = Jail(root)

    async def put(self, name: str, data: bytes) -> None:
        """Put a note in the place of the one of that name, in one step."""
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            with self._jail.parent(f"{self._path}/{name}", make=True) as (folder, last):
                new = f"{_NEW}{secrets.token_hex(8)}"
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                try:
                    with os.fdopen(os.open(new, flags, 0o666, dir_fd=folder), "wb") as file:
                        file.write(data)
                    os.replace(new, last, src_dir_fd=folder, dst_dir_fd=folder)
                except BaseException:
                    with suppress(FileNotFoundError):
                        os.unlink(new, dir_fd=folder)
                    raise
        except (OSError, BlockedError) as e:
            raise self._unusable(e) from e

    async def sizes(self) -> dict[str, int]:
        """Return every plain file by its name, with its bytes."""
        try:
            with self._jail.parent(f"{self._path}/.") as (folder, _), os.scandir(folder) as found:
                return {
                    entry.name: entry.stat(follow_symlinks=False).st_size
                    for entry in found
                    if entry.is_file(follow_symlinks=False)
                }
        except FileNotFoundError:
            return {}
        except (OSError, BlockedError) as e:
            raise self._unusable(e) from e

    async def read(self, names: Collection[str]) -> dict[str, bytes]:
        """Return the files that can be read."""
        found = {}
        for name in names:
            with suppress(OSError, BlockedError):
                opened = self._jail.open(f"{self._path}/{name}")
                with os.fdopen(opened, "rb") as file:
                    found[name] = file.read(MAX_BYTES + 1)
        return found

    async def remove(self, name: str) -> None:
        """Take a note away."""
        try:
            with self._jail.parent(f"{self._path}/{name}") as (folder, last):
                os.unlink(last, dir_fd=folder)
        except FileNotFoundError:
            return
        except (OSError, BlockedError) as e:
            raise self._unusable(e) from e

    def _unusable(self, error: Exception) -> BmSyncError:
        said = error.strerror if isinstance(error, OSError) else error
        return BmSyncError(f"{self._root / self._path}: {said}")


class DistantPlace:
    """Notes on a remote behind rclone: one upload, or one listing and a download for each."""

    def __init__(self, rclone: Routed, fs: Fs, features: Features) -> None:
        self._rclone = rclone
        self._fs = fs
        self._features = features

    async def put(self, name: str, data: bytes) -> None:
        """Put a note in the place of the one of that name."""
        with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
            (Path(scratch) / name).write_bytes(data)
            await self._rclone.copy_file(self._rclone.local(Path(scratch)), name, self._fs, name)

    async def sizes(self) -> dict[str, int]:
        """Return every file by its name, with its bytes."""
        try:
            listing = await self._rclone.list_tree(self._fs, features=self._features)
        except RcloneError as e:
            if e.fault is Fault.MISSING:
                return {}
            raise
        return {e.path: e.size for e in listing.entries if not e.is_dir and "/" not in e.path}

    async def read(self, names: Collection[str]) -> dict[str, bytes]:
        """Return the files that can be read; raises RcloneError when none of several can."""
        if not names:
            return {}
        with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
            here = Path(scratch)
            ended = await self._rclone.copy_batch(self._fs, self._rclone.local(here), sorted(names))
            files = {name: here / name for name in names if (here / name).is_file()}
            if ended.fault is not None and not files:
                raise ended.fault
            return {name: _content(file) for name, file in files.items()}

    async def remove(self, name: str) -> None:
        """Take a note away."""
        try:
            await self._rclone.delete_file(self._fs, name)
        except RcloneError as e:
            if e.fault is not Fault.MISSING:
                raise


def _content(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MAX_BYTES + 1)

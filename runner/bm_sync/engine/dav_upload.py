"""Files of this machine on their way to a project over WebDAV.

A file is read through the jail of its folder, never through a link that leaves it, and hashed while
it goes up.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from bm_sync.cloud.dav import Dav, Only, Upload
from bm_sync.cloud.dav_wire import DavError, DavFault
from bm_sync.engine.jail import BlockedError, Jail
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.remotes import Fs

_CHUNK = 128 << 10
_SECOND_NS = 10**9


class Pace:
    """Holds all uploads of a run together below `bytes_per_s`; None is as fast as it goes."""

    def __init__(self, bytes_per_s: int | None) -> None:
        self._bytes_per_s = bytes_per_s
        self._free_at = 0.0

    async def spend(self, size: int) -> None:
        """Wait for the turn of the next `size` bytes."""
        if self._bytes_per_s is None:
            return
        now = time.monotonic()
        begin = max(now, self._free_at)
        self._free_at = begin + size / self._bytes_per_s
        await asyncio.sleep(begin - now)


class Outgoing:
    """An open file that goes up; `md5` is that of the last whole reading, None before."""

    def __init__(self, descriptor: int, info: os.stat_result, pace: Pace) -> None:
        self._descriptor = descriptor
        self._pace = pace
        self.size = info.st_size
        self.mtime_s = info.st_mtime_ns // _SECOND_NS
        self.md5: str | None = None

    @property
    def upload(self) -> Upload:
        """Return it as the client takes it."""
        return Upload(self.size, self.mtime_s, self._body)

    async def _body(self) -> AsyncIterator[bytes]:
        """Yield exactly `size` bytes; what a file has grown by since is left to the next run."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        state, left = hashlib.md5(usedforsecurity=False), self.size
        while left:
            chunk = os.read(self._descriptor, min(_CHUNK, left))
            if not chunk:
                raise RcloneError(
                    "the file became shorter while it was read", fault=Fault.SOURCE_CHANGED
                )
            state.update(chunk)
            left -= len(chunk)
            await self._pace.spend(len(chunk))
            yield chunk
        self.md5 = state.hexdigest()


@contextmanager
def outgoing(folder: Fs, path: str, pace: Pace) -> Iterator[Outgoing | None]:
    """Open a file below a folder of this machine; None when there is no plain file.

    Raises RcloneError when it cannot be read.
    """
    opener = folder.opener or Jail(Path(folder.label)).open
    try:
        descriptor = opener(path)
    except (FileNotFoundError, BlockedError):
        yield None
        return
    except OSError as e:
        raise RcloneError(f"it cannot be read: {e.strerror}", fault=Fault.FORBIDDEN) from e
    try:
        info = os.fstat(descriptor)
        yield Outgoing(descriptor, info, pace) if stat.S_ISREG(info.st_mode) else None
    finally:
        os.close(descriptor)


async def put(dav: Dav, path: str, file: Outgoing, only: Only, *, judged: bool) -> None:
    """Write a file; raises DavError, with DavFault.CHANGED when a condition does not hold.

    `judged`: the server judges If-Match. Otherwise a look right before stands in for it, and the
    moment between both stays open.
    """
    if only.if_match is not None and not (judged and _strong(only.if_match)):
        await _look_first(dav, path, only.if_match)
        only = Only(if_none=only.if_none)
    try:
        await dav.put(path, file.upload, only)
    except DavError as e:
        # the answer to an upload that was carried out may have been lost
        if e.fault is not DavFault.CHANGED or not await _stands(dav, path, file):
            raise


async def _look_first(dav: Dav, path: str, etag: str) -> None:
    seen = await dav.look(path)
    if seen is None or etag not in (seen.etag, seen.md5):
        raise DavError("another version has appeared", fault=DavFault.CHANGED)


async def _stands(dav: Dav, path: str, file: Outgoing) -> bool:
    seen = await dav.look(path)
    return seen is not None and file.md5 is not None and seen.md5 == file.md5


def _strong(etag: str) -> bool:
    """Return whether If-Match can hold for an ETag at all (RFC 9110, 13.1.1)."""
    return not etag.startswith("W/")

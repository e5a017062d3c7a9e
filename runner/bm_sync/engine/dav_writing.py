"""Writes to a cloud project over WebDAV, by what its server can do.

Where COPY is missing the bytes go through here, where MOVE is missing a copy and a deletion stand
in.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection

from msgspec import Struct, field

from bm_sync import layout
from bm_sync.cloud.dav import ANYHOW, Dav, Only, Upload
from bm_sync.cloud.dav_places import DavFile
from bm_sync.cloud.dav_wire import DavError, DavFault
from bm_sync.engine.dav_faults import told
from bm_sync.engine.dav_project import DavProject
from bm_sync.engine.dav_upload import Pace, outgoing, put
from bm_sync.errors import BmSyncError
from bm_sync.parallel import at_once
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.remotes import Fs
from bm_sync.rclone.transfer import Batch, BatchResult, Condition, OnProgress
from bm_sync.rclone.wire import Progress


class _Tally(Struct):
    """How far a batch is."""

    begun: float = field(default_factory=time.monotonic)
    files: int = 0
    bytes: int = 0
    sent: set[str] = field(default_factory=set)
    failed: dict[str, RcloneError] = field(default_factory=dict)
    ended: BmSyncError | None = None

    def progress(self) -> Progress:
        """Return the figures so far."""
        last = next(reversed(self.failed.values())).what if self.failed else ""
        rate = self.bytes / max(time.monotonic() - self.begun, 0.001)
        return Progress(self.files, self.bytes, rate, len(self.failed), last)

    def result(self) -> BatchResult:
        """Return how the batch ended; a failure that may pass is told before others."""
        faults = sorted(self.failed.values(), key=lambda e: e.fault is not Fault.TRANSIENT)
        first = faults[0] if faults else None
        sent = frozenset(self.sent)
        return BatchResult(first, self.files, self.bytes, self.failed, sent, self.ended)


class Writer:
    """Changes one project; raises DavError where it does not say otherwise."""

    def __init__(self, project: DavProject, pace: Pace) -> None:
        self._project = project
        self._dav: Dav = project.dav
        self._pace = pace

    async def batch(
        self,
        source: Fs,
        folder: str,
        paths: Collection[str],
        opts: Batch,
        on_progress: OnProgress | None,
    ) -> BatchResult:
        """Write `paths` of a folder of this machine below `folder`; never raises for one file."""
        tally = _Tally()
        condition = Condition(if_none=opts.new_only)
        above = f"{folder}/" if folder else ""

        async def one(path: str) -> None:
            if tally.ended is not None:
                return
            try:
                size = await self.upload((source, path), above + path, condition)
            except RcloneError as e:
                tally.failed[path] = e
            except BmSyncError as e:  # the others that are on their way come to their ends
                tally.ended = e
            else:
                if size is not None:
                    tally.files += 1
                    tally.bytes += size
                    tally.sent.add(path)
                    if opts.on_sent is not None:
                        opts.on_sent(path)
            if on_progress is not None:
                on_progress(tally.progress())

        await at_once(opts.transfers, paths, one)
        return tally.result()

    async def upload(self, source: tuple[Fs, str], path: str, condition: Condition) -> int | None:
        """Write one file of this machine and return its size, None when there is no such file.

        Raises RcloneError.
        """
        with told(), outgoing(*source, self._pace) as file:
            if file is None:
                return None
            judged = True
            if condition.if_match is not None:
                judged = (await self._project.powers()).if_match
            only = Only(condition.if_match, if_none=condition.if_none)
            await put(self._dav, path, file, only, judged=judged)
            return file.size

    async def copy(self, source: str, target: str, *, replace: bool) -> None:
        """Copy a file within the project."""
        if not (await self._project.powers()).copy:
            await self._through_here(source, target, replace=replace)
            return
        async with self._project.trusting():
            await self._dav.copy(source, target, replace=replace)

    async def move(self, source: str, target: str) -> None:
        """Move a file within the project; outside of our own folder the name has to be free."""
        powers = await self._project.powers()
        if powers.move:
            async with self._project.trusting():
                await self._dav.move(source, target, replace=_is_ours(target))
            return
        if not powers.delete:
            raise DavError("files cannot be moved there", fault=DavFault.UNSUPPORTED)
        await self.copy(source, target, replace=_is_ours(target))
        seen = await self._dav.look(source)
        etag = seen.etag if seen is not None and powers.if_match and not _weak(seen) else None
        if seen is not None:
            await self.delete(source, Only(if_match=etag))

    async def delete(self, path: str, only: Only = ANYHOW) -> None:
        """Delete a file."""
        async with self._project.trusting():
            await self._dav.delete(path, only)

    async def remove_empty(self, path: str) -> bool:
        """Remove a folder that holds nothing; return whether it was there and empty."""
        try:
            listing = await self._dav.list_by_folder(path)
        except DavError as e:
            if e.fault is DavFault.MISSING:
                return False
            raise
        if listing.files or listing.unusable or listing.closed:
            return False
        await self._dav.delete(path)
        return True

    async def _through_here(self, source: str, target: str, *, replace: bool) -> None:
        seen = await self._dav.look(source)
        if seen is None:
            raise DavError("the file has vanished", fault=DavFault.MISSING)

        async def body() -> AsyncIterator[bytes]:
            async with self._dav.reading(source) as response:
                async for part in response.aiter_bytes():
                    await self._pace.spend(len(part))
                    yield part

        only = ANYHOW if replace else Only(if_none=True)
        await self._dav.put(target, Upload(seen.size, seen.mtime_s, body), only)
        after = await self._dav.look(target)
        if after is None or after.size != seen.size or (after.md5 and after.md5 != seen.md5):
            raise DavError("another version has appeared", fault=DavFault.CHANGED)


def _is_ours(path: str) -> bool:
    return layout.is_home(path)


def _weak(file: DavFile) -> bool:
    return file.etag is not None and file.etag.startswith("W/")

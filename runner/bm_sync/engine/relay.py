"""Carries files from one remote to another, through a folder of this machine.

A portion comes here, is checked, goes on, and is removed before the next one comes. So the very
bytes that were checked are what goes up, on the same conditions as a file of this machine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from bm_sync import access
from bm_sync.engine.bringing import Bringing
from bm_sync.engine.departures import Departures
from bm_sync.engine.jail import Jail
from bm_sync.engine.lending import Portion, portions
from bm_sync.engine.scope import Errand, Giver, Scope, known_content
from bm_sync.engine.staging import Staging
from bm_sync.model.config import Verify
from bm_sync.model.run import Outcome
from bm_sync.rclone.remotes import Fs
from bm_sync.structs import replace

_MOST = Portion(files=2000, bytes=1 << 30)


class Relay:
    """What a remote receives from another one."""

    def __init__(self, onward: Departures, scope: Scope) -> None:
        self._onward = onward
        self._scope = scope
        self._home = scope.site.setup.state_dir / "relay" / scope.key[:12]
        self._staging = Staging(Jail(self._home), scope, None)
        self._here: list[Errand] = []

    async def receive(self, errands: Sequence[Errand], source: Giver) -> None:
        """Send all errands on, those of this machine's files at once."""
        if not errands or source.here:
            await self._onward.receive(errands, source)
            return
        self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
        bringing = Bringing(self._staging, self._scope, self._check, None, durable=False)
        for portion in portions(errands, _MOST):
            self._here = []
            try:
                await bringing.bring(portion, source)
                await self._onward.receive(self._here, _Relayed(self._staging, self._scope))
            finally:
                self._staging.clear()

    def recover(self) -> None:
        """Remove what a killed run of this project left here."""
        if access.standing(self._home) is not None:
            self._staging.recover()

    def finish(self) -> None:
        """Remove the folder, where nothing lies in it."""
        self._staging.clear()
        self._staging.release()
        for empty in (self._home, self._home.parent):
            with suppress(OSError):  # another project's files lie in it, or it was never made
                empty.rmdir()

    async def _check(self, errand: Errand) -> None:
        """Let a file go on that is what was planned."""
        content = known_content(errand.source, errand.content)
        if self._scope.policy.verify is Verify.CHECKSUM or content is None:
            algorithm = content.partition(":")[0] if content else self._onward.algorithm
            spot = self._staging.spot(errand.path)
            arrived = await self._scope.content_at(spot.jail, spot.path, algorithm)
            if content is not None and arrived is not None and arrived != content:
                what = "what arrived is not what was planned"
                self._scope.ledger.settle(errand.action, Outcome.DROPPED, what)
                return
            content = content or arrived
        self._here.append(replace(errand, content=content))


class _Relayed:
    """Files that lie in the relay: they stay as they are until they are sent."""

    here = True

    def __init__(self, staging: Staging, scope: Scope) -> None:
        self._staging = staging
        self._scope = scope

    async def portions(self, errands: Sequence[Errand]) -> list[list[Errand]]:
        """Return all of them at once."""
        return [list(errands)] if errands else []

    @asynccontextmanager
    async def lend(self, paths: Sequence[str]) -> AsyncIterator[Fs]:  # noqa: ARG002 - all are there
        """Lend the folder."""
        yield await self._staging.fs()

    async def content(self, path: str, algorithm: str) -> str | None:
        """Return the content of one file."""
        spot = self._staging.spot(path)
        return await self._scope.content_at(spot.jail, spot.path, algorithm)

    async def vouch(self, errands: Sequence[Errand]) -> set[str]:
        """Return the paths that are here."""
        return {e.path for e in errands if self._staging.holds(e.path)}

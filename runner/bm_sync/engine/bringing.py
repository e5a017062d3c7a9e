"""Brings files from a side into a folder of this machine by rclone, again while that may help.

What arrives whole and is vouched for is handed on; what does not is settled, each with its cause.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from bm_sync.engine.retry import of_all_files, repeatable
from bm_sync.engine.scope import Errand, Giver, Scope, salvage
from bm_sync.engine.staging import Staging
from bm_sync.model.run import Outcome
from bm_sync.rclone.faults import RcloneError
from bm_sync.rclone.remotes import Fs
from bm_sync.rclone.transfer import Batch, BatchResult, OnProgress

_ALONE = 20
_IN_A_ROW = 2


class Bringing:
    """Files on their way into a staging folder; `put` is given each that has arrived."""

    def __init__(
        self,
        staging: Staging,
        scope: Scope,
        put: Callable[[Errand], Awaitable[None]],
        progress: OnProgress | None,
        *,
        durable: bool,
    ) -> None:
        self._staging = staging
        self._scope = scope
        self._put = put
        self._progress = progress
        self._durable = durable

    async def bring(self, errands: Sequence[Errand], source: Giver) -> None:
        """Bring one portion; every errand is handed on or settled."""
        pending = {e.path: e for e in errands}

        async def attempt() -> None:
            await self._copy(pending, source)

        try:
            await self._scope.persist(attempt)
        except RcloneError as e:
            await self._one_by_one(pending, source, e)
        for errand in pending.values():
            self._settle(errand, Outcome.DROPPED, "it vanished at the source")

    async def _copy(self, pending: dict[str, Errand], source: Giver) -> None:
        """Bring what is pending; raises the first fault while something is left."""
        into = await self._staging.fs()
        fault: RcloneError | None = None
        for portion in await source.portions(list(pending.values())):
            result = await self._copy_portion(portion, into, pending, source)
            fault = fault or result.fault
            if of_all_files(result.fault):
                break
        if pending and fault is not None:
            raise fault

    async def _copy_portion(
        self, portion: Sequence[Errand], into: Fs, pending: dict[str, Errand], source: Giver
    ) -> BatchResult:
        limits = self._scope.policy.limits
        paths = [errand.path for errand in portion]
        try:
            async with source.lend(paths) as root:
                result = await self._scope.rclone.copy_batch(
                    root,
                    into,
                    paths,
                    Batch(transfers=limits.transfers, checkers=limits.checkers),
                    self._progress,
                )
        except asyncio.CancelledError:
            await salvage(self._take(pending, source))
            raise
        await self._take(pending, source)
        return result

    async def _take(self, pending: dict[str, Errand], source: Giver) -> None:
        """Hand on what has arrived whole."""
        arrived = [e for e in pending.values() if self._staging.holds(e.path)]
        if arrived and self._durable:
            self._staging.flush()
        good = await source.vouch(arrived)
        for errand in arrived:
            del pending[errand.path]
            if errand.path in good:
                await self._put(errand)
            else:
                self._settle(errand, Outcome.DROPPED, "it changed at the source meanwhile")

    async def _one_by_one(
        self, pending: dict[str, Errand], source: Giver, fault: RcloneError
    ) -> None:
        """Settle what a batch left, each file with its own cause where they are few.

        When two in a row fail in a way that may pass, the remote is not there: nobody waits for the
        others one by one.
        """
        alone = len(pending) <= _ALONE
        in_a_row = 0
        for errand in list(pending.values()):
            cause: RcloneError = fault
            if alone and in_a_row < _IN_A_ROW:
                single = {errand.path: errand}
                try:
                    await self._copy(single, source)
                except RcloneError as e:
                    cause = e
                    in_a_row = in_a_row + 1 if repeatable(e) else 0
                if not single:
                    del pending[errand.path]
                    in_a_row = 0
                    continue
            del pending[errand.path]
            self._settle(errand, Outcome.FAILED, cause.what)

    def _settle(self, errand: Errand, outcome: Outcome, detail: str) -> None:
        self._scope.ledger.settle(errand.action, outcome, detail)

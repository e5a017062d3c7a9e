"""Brings files to a side that is a folder: into staging by rclone, checked, then put in place."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from bm_sync.engine import contents, placing
from bm_sync.engine.jail import BlockedError, Jail
from bm_sync.engine.placing import ChangedError, Spot
from bm_sync.engine.retry import repeatable
from bm_sync.engine.scope import Errand, Giver, Scope, agreed, as_file, known_content, salvage
from bm_sync.engine.staging import Staging
from bm_sync.model.config import Verify
from bm_sync.model.run import Outcome
from bm_sync.model.tree import FileStamp, ObjectStamp, Side, Stamp
from bm_sync.rclone.faults import RcloneError
from bm_sync.rclone.transfer import Batch

_BATCH_FILES = 2000
_BATCH_BYTES = 2 << 30
_ALONE = 20
_IN_A_ROW = 2

FAILURES = (ChangedError, BlockedError, OSError)
"""What putting a file in place may raise; each is that file's own problem."""


def outcome_of(error: BaseException) -> Outcome:
    """Return how an action ended that raised one of FAILURES."""
    gone = isinstance(error, ChangedError | FileNotFoundError)
    return Outcome.DROPPED if gone else Outcome.FAILED


class Arrivals:
    """The receiving half of a folder hand."""

    def __init__(self, side: Side, jail: Jail, staging: Staging, scope: Scope) -> None:
        self._side = side
        self._jail = jail
        self._staging = staging
        self._scope = scope
        self.touched = False

    async def receive(self, errands: Sequence[Errand], source: Giver) -> None:
        """Bring files into staging, check them, put them in place."""
        for batch in _batches(errands):
            pending = {e.path: e for e in batch}

            async def attempt(pending: dict[str, Errand] = pending) -> None:
                await self._bring(pending, source)

            try:
                await self._scope.persist(attempt)
            except RcloneError as e:
                await self._one_by_one(pending, source, e)
            for errand in pending.values():
                self._settle(errand, Outcome.DROPPED, "it vanished at the source")

    async def _bring(self, pending: dict[str, Errand], source: Giver) -> None:
        self._staging.open()
        limits = self._scope.policy.limits
        copying = self._scope.rclone.copy_batch(
            await source.fs(),
            self._scope.rclone.local(self._staging.folder),
            list(pending),
            Batch(transfers=limits.transfers, checkers=limits.checkers),
            self._scope.progress,
        )
        try:
            result = await copying
        except asyncio.CancelledError:
            await salvage(self._take(pending, source))
            raise
        await self._take(pending, source)
        if pending and result.fault is not None:
            raise result.fault

    async def _take(self, pending: dict[str, Errand], source: Giver) -> None:
        """Put in place what has arrived whole."""
        arrived = [e for e in pending.values() if self._staging.holds(e.path)]
        if arrived:
            self._staging.flush()
        good = await source.vouch(arrived)
        for errand in arrived:
            del pending[errand.path]
            if errand.path in good:
                await self.put(errand)
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
                    await self._bring(single, source)
                except RcloneError as e:
                    cause = e
                    in_a_row = in_a_row + 1 if repeatable(e) else 0
                if not single:
                    del pending[errand.path]
                    in_a_row = 0
                    continue
            del pending[errand.path]
            self._settle(errand, Outcome.FAILED, cause.what)

    async def put(self, errand: Errand) -> None:
        """Check a staged file and put it in place."""
        content = known_content(errand.source, errand.content)
        if self._scope.policy.verify is Verify.CHECKSUM or content is None:
            staged = await self._digest(self._staging.spot(errand.path), content)
            if content is not None and staged is not None and staged != content:
                self._settle(errand, Outcome.DROPPED, "what arrived is not what was planned")
                return
            content = content or staged
        if await self._same_already(errand, content):
            return
        await self._scope.allowed(self._side)
        try:
            stamp = self._place(errand)
        except FAILURES as e:
            self._settle(errand, outcome_of(e), str(e))
            return
        self.touched = True
        self._agree(errand, content, stamp)
        self._settle(errand, Outcome.DONE, kept=self._kept(errand))
        self._scope.arrived(errand.size)

    def _place(self, errand: Errand) -> FileStamp:
        spot = Spot(self._jail, errand.path)
        if errand.target is None:
            return placing.place_new(self._staging.spot(errand.path), spot)
        trash = None if errand.kept_as else self._staging.kept(errand.path)
        swap = self._staging.for_swap(errand.path)
        return placing.replace(swap, spot, as_file(errand.target), trash)

    async def _same_already(self, errand: Errand, content: str | None) -> bool:
        """Learn that only the remote's time moved: the bytes here are the ones that arrived."""
        target, source = errand.target, errand.source
        if target is None or content is None or not isinstance(source, ObjectStamp):
            return False
        if source.content is not None or target.size != source.size:
            return False
        seen = await contents.digest(self._jail, errand.path, content.partition(":")[0])
        if seen is None or seen != (target, content):
            return False
        self._agree(errand, content, target)
        self._settle(errand, Outcome.DONE, "the same bytes stood here already")
        return True

    def _agree(self, errand: Errand, content: str | None, stamp: Stamp) -> None:
        row = agreed(self._side, content, stamp, errand.source)
        self._scope.ledger.agree(errand.path, row)

    def _kept(self, errand: Errand) -> str | None:
        if errand.target is None:
            return None
        return errand.kept_as or self._staging.kept(errand.path).label

    async def _digest(self, spot: Spot, content: str | None) -> str | None:
        """Return the content in the algorithm of `content`, or the project's own."""
        algorithm = content.partition(":")[0] if content else self._scope.algorithm
        return await self._scope.content_at(spot.jail, spot.path, algorithm)

    def _settle(
        self, errand: Errand, outcome: Outcome, detail: str | None = None, kept: str | None = None
    ) -> None:
        self._scope.ledger.settle(errand.action, outcome, detail, kept)


def _batches(errands: Sequence[Errand]) -> Iterator[list[Errand]]:
    batch: list[Errand] = []
    size = 0
    for errand in errands:
        if batch and (len(batch) >= _BATCH_FILES or size + errand.size > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(errand)
        size += errand.size
    if batch:
        yield batch

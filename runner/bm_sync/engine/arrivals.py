"""Brings files to a side that is a folder: into staging by rclone, checked, then put in place."""

from __future__ import annotations

from collections.abc import Sequence

from bm_sync.engine import contents, placing
from bm_sync.engine.bringing import Bringing
from bm_sync.engine.jail import BlockedError, Jail
from bm_sync.engine.lending import Portion, portions
from bm_sync.engine.placing import ChangedError, Spot
from bm_sync.engine.scope import Errand, Giver, Scope, agreed, as_file, known_content
from bm_sync.engine.staging import Staging
from bm_sync.model.config import Verify
from bm_sync.model.run import Outcome
from bm_sync.model.tree import FileStamp, ObjectStamp, Side, Stamp

_MOST = Portion(files=2000, bytes=2 << 30)

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
        scope = self._scope
        bringing = Bringing(self._staging, scope, self.put, scope.progress, durable=True)
        for portion in portions(errands, _MOST):
            await bringing.bring(portion, source)
            self._staging.check()

    async def put(self, errand: Errand, *, kept: bool = False) -> None:
        """Check a staged file and put it in place; one that was `kept` here is as it was then."""
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
            stamp = self._place(errand, kept=kept)
        except FAILURES as e:
            self._settle(errand, outcome_of(e), str(e))
            return
        self.touched = True
        self._agree(errand, content, stamp)
        self._settle(errand, Outcome.DONE, kept=self._kept(errand))
        self._scope.arrived(errand.size)

    def _place(self, errand: Errand, *, kept: bool) -> FileStamp:
        spot = Spot(self._jail, errand.path)
        if errand.target is None:
            return placing.place_new(self._staging.spot(errand.path), spot, inherits=not kept)
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

"""Tells what a bisync has really done: both sides are looked at again, whatever rclone said.

Only a file that stands on both sides with the content that was planned is agreed on.
"""

from __future__ import annotations

from collections.abc import Mapping

from bm_sync.engine.bisync_ground import Ground
from bm_sync.engine.bisync_work import Carry, Removal, Work
from bm_sync.engine.scope import Scope, agreed, known_content
from bm_sync.model.run import Outcome
from bm_sync.model.tree import ObjectStamp, Side, Stamp

_NEWER = "another version has appeared"
_CHANGED = "it changed while it was copied"
_VANISHED = "it vanished meanwhile"
_GONE = "the file that was to be kept had vanished"
_EDITED = "the file was changed"


class Settling:
    """Settles the tasks of one project's bisyncs in its ledger."""

    def __init__(self, grounds: Mapping[Side, Ground], scope: Scope) -> None:
        self._grounds = grounds
        self._scope = scope

    async def look(self, work: Work, *, well: bool) -> None:
        """Settle every task that has ended, and take it out of `work`; keep the others up to date.

        `well`: rclone reported no fault. Where neither side tells a content, its word and an equal
        size must do.
        """
        seen = {side: await self._grounds[side].hand.look(work.paths) for side in Side}
        kept = {side: await self._kept(work, side) for side in Side}
        for carry in work.carries:
            here, there = seen[carry.to.other].get(carry.path), seen[carry.to].get(carry.path)
            where = carry.errand.kept_as or kept[carry.to].get(carry.path)
            await self._carry(work, carry, (here, there), kept=where, well=well)
        for removal in work.removals:
            there = seen[removal.side].get(removal.path)
            self._removal(work, removal, there, kept[removal.side].get(removal.path))

    def give_up(self, work: Work, path: str, outcome: Outcome, why: str) -> None:
        """Settle a task that will not be tried again."""
        task = work.tasks.pop(path)
        self._scope.ledger.settle(task.action, outcome, why)

    async def _kept(self, work: Work, side: Side) -> dict[str, str]:
        gone = [r.path for r in work.removals if r.side is side]
        replaced = [c.path for c in work.carries if c.to is side and c.replaces]
        return await self._grounds[side].kept([*gone, *replaced])

    async def _carry(
        self,
        work: Work,
        carry: Carry,
        stamps: tuple[Stamp | None, Stamp | None],
        *,
        kept: str | None,
        well: bool,
    ) -> None:
        """Settle one file by its stamps where it comes from and where it goes."""
        source, there = stamps
        if source != carry.errand.source:
            what = _VANISHED if source is None else _CHANGED
            self._end(work, carry, Outcome.DROPPED, what, kept)
        elif there is None:
            work.tasks[carry.path] = carry.onto_nothing()
        elif there != carry.errand.target:
            await self._arrived(work, carry, there, kept=kept, well=well)

    async def _arrived(
        self, work: Work, carry: Carry, there: Stamp, *, kept: str | None, well: bool
    ) -> None:
        """Settle a file where now another version stands than before."""
        content, same = await self._compare(carry, there)
        if same is None:
            same = there.size == carry.errand.size
            if same and not well:
                return  # half a file may have that size; rclone is asked again
        if not same:
            self._end(work, carry, Outcome.DROPPED, _NEWER, kept)
            return
        row = agreed(carry.to, content, there, carry.errand.source)
        self._scope.ledger.agree(carry.path, row)
        self._done(work, carry, kept, replaced=carry.replaces)
        self._scope.arrived(carry.errand.size)

    async def _compare(self, carry: Carry, there: Stamp) -> tuple[str | None, bool | None]:
        """Return the content that was planned, and whether it stands there (None: nobody tells)."""
        source, target = self._grounds[carry.to.other].hand, self._grounds[carry.to].hand
        content = known_content(carry.errand.source, carry.errand.content)
        algorithm = content.partition(":")[0] if content else self._scope.algorithm
        if content is None:
            content = await source.content(carry.path, algorithm)
        told = there.content if isinstance(there, ObjectStamp) else None
        told = told or await target.content(carry.path, algorithm)
        if content is None or told is None:
            return content or told, None
        if told.partition(":")[0] != algorithm:
            return content, None
        return content, told == content

    def _removal(self, work: Work, removal: Removal, there: Stamp | None, kept: str | None) -> None:
        if there is None:
            self._scope.ledger.forget(removal.path)
            self._done(work, removal, kept, replaced=True)
        elif there != removal.stamp:
            self._end(work, removal, Outcome.DROPPED, _EDITED, kept)

    def _done(self, work: Work, task: Carry | Removal, kept: str | None, *, replaced: bool) -> None:
        """Settle what came about; the version it should have `replaced` may not have been there."""
        if replaced and kept is None:
            self._end(work, task, Outcome.DROPPED, _GONE, None)
        else:
            self._end(work, task, Outcome.DONE, None, kept)

    def _end(
        self,
        work: Work,
        task: Carry | Removal,
        outcome: Outcome,
        detail: str | None,
        kept: str | None,
    ) -> None:
        del work.tasks[task.path]
        self._scope.ledger.settle(task.action, outcome, detail, kept)

"""What one bisync is to do, and the prior listings that make it do so. Pure.

bisync compares what stands on each side with a prior listing of that side. A path that neither
listing knows is new; one that is listed as it stands is unchanged; one that is listed otherwise was
changed; one that is listed and gone was deleted. So the plan, and the stamps it was made on, are
said in two listings, and a file that was edited since the plan is seen by bisync as edited.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from msgspec import Struct, field

from bm_sync.engine.scope import Errand
from bm_sync.model.plan import Action, Copy, KeepBoth, MakeDir, RemoveDir, Trash
from bm_sync.model.tree import ObjectStamp, Side, Stamp
from bm_sync.rclone.bisync_listing import Listed
from bm_sync.structs import replace

A = TypeVar("A", Copy, KeepBoth, Trash, MakeDir, RemoveDir)
ANCHOR_BYTES = 1


class Carry(Struct, frozen=True):
    """A file that is to be brought to side `to`."""

    errand: Errand
    to: Side

    @property
    def path(self) -> str:
        """Return the path on both sides."""
        return self.errand.path

    @property
    def replaces(self) -> bool:
        """Return whether the plan saw a version where the file goes."""
        return isinstance(self.action, Copy) and self.action.target is not None

    @property
    def action(self) -> Action:
        """Return the action of the plan this is a part of."""
        return self.errand.action

    def onto_nothing(self) -> Carry:
        """Return the same errand, after the version it replaces has been put into the trash."""
        return replace(self, errand=replace(self.errand, target=None))


class Removal(Struct, frozen=True):
    """A file that is to leave its side, because the other side has it no more."""

    action: Trash

    @property
    def path(self) -> str:
        """Return the path on both sides."""
        return self.action.path

    @property
    def side(self) -> Side:
        """Return the side it leaves."""
        return self.action.side

    @property
    def stamp(self) -> Stamp:
        """Return the version that goes."""
        stamp = self.action.local if self.side is Side.LOCAL else self.action.remote
        assert stamp is not None  # noqa: S101 - an invariant of the planner
        return stamp


Task = Carry | Removal


class Work(Struct):
    """The tasks of one bisync that have not ended yet, by path."""

    tasks: dict[str, Task] = field(default_factory=dict)

    @property
    def paths(self) -> list[str]:
        """Return the paths in question."""
        return list(self.tasks)

    @property
    def carries(self) -> list[Carry]:
        """Return the files to be brought."""
        return [t for t in self.tasks.values() if isinstance(t, Carry)]

    @property
    def removals(self) -> list[Removal]:
        """Return the files to be removed."""
        return [t for t in self.tasks.values() if isinstance(t, Removal)]

    def rows(self, anchor: str) -> dict[Side, tuple[Listed, ...]]:
        """Return the prior listing of each side; the anchor stands on both, unchanged."""
        found = {side: [Listed(anchor, ANCHOR_BYTES)] for side in Side}
        for carry in self.carries:
            target = carry.errand.target
            if target is not None:
                found[carry.to].append(_as_it_stands(carry.path, target))
                found[carry.to.other].append(_otherwise(carry.path, carry.errand.source))
        for removal in self.removals:
            found[removal.side].append(_as_it_stands(removal.path, removal.stamp))
            found[removal.side.other].append(_otherwise(removal.path, removal.stamp))
        return {side: tuple(rows) for side, rows in found.items()}


def work_of(carries: Iterable[Carry], removals: Iterable[Removal]) -> Work:
    """Return the work of one bisync."""
    tasks: list[Task] = [*carries, *removals]
    return Work({task.path: task for task in tasks})


def carry_of(item: Copy) -> Carry:
    """Return the task of a copy."""
    errand = Errand(item.path, item.source, item.target, item.content, item.kept_as, item)
    return Carry(errand, item.to)


def carry_of_copy(item: KeepBoth, stamp: Stamp) -> Carry:
    """Return the task of bringing a conflict copy, which stands beside the loser, to the winner."""
    return Carry(Errand(item.copy_path, stamp, None, None, None, item), item.loser.other)


def chosen(actions: Sequence[Action], kind: type[A]) -> list[A]:
    """Return the actions of one kind, in their order."""
    return [a for a in actions if isinstance(a, kind)]


def _as_it_stands(path: str, stamp: Stamp) -> Listed:
    content = stamp.content if isinstance(stamp, ObjectStamp) else None
    return Listed(path, stamp.size, stamp.mtime_ns, content)


def _otherwise(path: str, stamp: Stamp) -> Listed:
    return Listed(path, stamp.size + 1)

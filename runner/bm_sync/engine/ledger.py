"""What has been done to one project so far. It can be closed at any moment and tells the truth.

The engine settles every action here as it ends, with what both sides agree on from then on; the
record of the run and the change of the baseline are read from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bm_sync.model.plan import (
    MEMORY_ONLY,
    Action,
    Copy,
    KeepBoth,
    MakeDir,
    Move,
    ProjectPlan,
    RemoveDir,
    Restore,
    Totals,
    Trash,
)
from bm_sync.model.run import ActionEnded, Done, Event, Outcome
from bm_sync.model.tree import Agreed, ProblemKind, Side, Stamp
from bm_sync.structs import replace

_Key = tuple[str, str, Side | None]


def side_of(action: Action) -> Side | None:
    """Return the side that an action changes; None for those that move nothing."""
    match action:
        case Copy(to=side) | Trash(side=side) | Move(side=side) | Restore(side=side):
            return side
        case MakeDir(side=side) | RemoveDir(side=side) | KeepBoth(loser=side):
            return side
        case _:
            return None


def _key(action: Action) -> _Key:
    return action.kind, action.path, side_of(action)


_UNSEEN = "the run ended before it was looked at again"


class _Acknowledged(NamedTuple):
    """An action that the remote has carried out."""

    action: Action
    kept: str | None
    content: str | None


class Ledger:
    """The outcomes of one project's plan."""

    def __init__(self, plan: ProjectPlan, emit: Callable[[Event], None]) -> None:
        self._plan = plan
        self._emit = emit
        self._done: dict[_Key, Done] = {}
        self.put: dict[str, Agreed] = {}
        self.drop: set[str] = set()
        self.put_dirs: set[str] = set()
        self.drop_dirs: set[str] = set()
        self.landed: dict[tuple[Side, str], tuple[str | None, Stamp]] = {}
        self.acknowledged: dict[_Key, _Acknowledged] = {}
        self.retries = 0
        self.waiting: set[_Key] = set()

    def settle(
        self,
        action: Action,
        outcome: Outcome,
        detail: str | None = None,
        kept: str | None = None,
    ) -> None:
        """Note how an action ended; `kept` says where the version it replaced is now."""
        done = Done(
            kind=action.kind,
            path=action.path,
            side=side_of(action),
            size=getattr(action, "size", 0),
            reason=str(action.reason),
            outcome=outcome,
            detail=detail,
            kept=kept,
        )
        self._done[_key(action)] = done
        self._emit(ActionEnded(self._plan.project, done))

    def acknowledge(
        self, action: Action, kept: str | None = None, content: str | None = None
    ) -> None:
        """Note that the remote has carried out an action, before what it did is looked at.

        Should the run end before that (signed out, cancelled, the lease lost), it is done all the
        same, and can be undone; the next run looks at it. `content` is the digest of what was sent.
        """
        self.acknowledged[_key(action)] = _Acknowledged(action, kept, content)

    def is_acknowledged(self, action: Action) -> bool:
        """Return whether the remote has carried out an action."""
        return _key(action) in self.acknowledged

    def close(self) -> None:
        """Settle what the remote has carried out and nobody could look at any more."""
        for key, each in self.acknowledged.items():
            if key not in self._done:
                self.settle(each.action, Outcome.DONE, _UNSEEN, each.kept)

    def sent_content(self, path: str) -> str | None:
        """Return the digest of what was sent to a path, None where nobody knows it."""
        found = (e.content for e in self.acknowledged.values() if e.action.path == path)
        return next((content for content in found if content is not None), None)

    def wait(self, action: Action, detail: str) -> None:
        """Note that an action is not possible on its side, so that it waits for a person."""
        self.settle(action, Outcome.FAILED, detail)
        self.waiting.add(_key(action))

    def outcome(self, action: Action) -> Outcome | None:
        """Return how an action ended, None while it has not."""
        done = self._done.get(_key(action))
        return done.outcome if done else None

    def done(self, action: Action) -> Done | None:
        """Return an action with how it ended, None while it has not."""
        return self._done.get(_key(action))

    def land(self, path: str, side: Side) -> None:
        """Set aside what was agreed of a version that came to one side only so far.

        It came from the trash; what the other side holds has to follow before both agree.
        """
        row = self.put.pop(path, None)
        if row is not None:
            self.landed[side, path] = row.content, row.local if side is Side.LOCAL else row.remote

    def agree(self, path: str, agreed: Agreed) -> None:
        """Note that both sides hold the same version of `path`, seen on both."""
        self.drop.discard(path)
        self.put[path] = agreed

    def forget(self, path: str) -> None:
        """Note that neither side holds `path` any more."""
        self.put.pop(path, None)
        self.drop.add(path)

    @property
    def withheld(self) -> bool:
        """Return whether the remote would have to delete something and does not."""
        kinds = (problem.kind for problem in self._plan.problems)
        return bool(self.waiting) or ProblemKind.UNDELETABLE in kinds

    def missed(self) -> bool:
        """Return whether anything that is possible was not done."""
        done = ((d, (d.kind, d.path, d.side)) for d in self.actions())
        return any(d.outcome is not Outcome.DONE and key not in self.waiting for d, key in done)

    def actions(self) -> tuple[Done, ...]:
        """Return every action of the plan that moves something, in plan order, with its outcome."""
        return tuple(
            self._done.get(_key(a)) or _not_reached(a)
            for a in self._plan.actions
            if not isinstance(a, MEMORY_ONLY)
        )

    def totals(self) -> Totals:
        """Count what was done."""
        total = Totals(conflicts=len(self._plan.clashes))
        for done in self._done.values():
            if done.outcome is Outcome.DONE:
                total = _add(total, done)
        return total


def _not_reached(action: Action) -> Done:
    return Done(
        kind=action.kind,
        path=action.path,
        side=side_of(action),
        size=getattr(action, "size", 0),
        reason=str(action.reason),
        outcome=Outcome.NOT_REACHED,
    )


def _add(total: Totals, done: Done) -> Totals:
    up = done.side is Side.REMOTE
    if done.kind in _BRINGING and up:
        return replace(total, up=total.up + 1, bytes_up=total.bytes_up + done.size)
    if done.kind in _BRINGING:
        return replace(total, down=total.down + 1, bytes_down=total.bytes_down + done.size)
    field = _COUNTED.get(done.kind, {}).get(up)
    return replace(total, **{field: getattr(total, field) + 1}) if field else total


_BRINGING = frozenset({"copy", "restore"})
_COUNTED = {
    "trash": {True: "delete_remote", False: "delete_local"},
    "move": {True: "move", False: "move"},
    "make-dir": {True: "folders", False: "folders"},
    "remove-dir": {True: "folders", False: "folders"},
}

"""The order in which actions are carried out, the same for the same plan.

What must leave a name goes first; removals come after copies; what only the memory learns comes
last.

The figures of a list of actions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from bm_sync.model.plan import (
    Action,
    Adopt,
    AdoptDir,
    Copy,
    Forget,
    KeepBoth,
    MakeDir,
    Move,
    RemoveDir,
    Restore,
    Totals,
    Trash,
)
from bm_sync.model.tree import Side


def totals(actions: Iterable[Action], *, conflicts: int) -> Totals:
    """Return the figures; the bytes of conflict copies count where they go."""
    files: Counter[str] = Counter()
    moved: Counter[Side] = Counter()
    for action in actions:
        match action:
            case Copy(to=to, size=size) | Restore(side=to, size=size):
                files["up" if to is Side.REMOTE else "down"] += 1
                moved[to] += size
            case KeepBoth(loser=loser, size=size):
                moved[loser.other] += size
            case Trash(side=side):
                files[f"delete_{side}"] += 1
            case Move():
                files["move"] += 1
            case MakeDir() | RemoveDir():
                files["folders"] += 1
            case _:
                pass
    return Totals(
        conflicts=conflicts, bytes_up=moved[Side.REMOTE], bytes_down=moved[Side.LOCAL], **files
    )


def ordered(actions: list[Action]) -> tuple[Action, ...]:
    """Return the actions in the order they are to be carried out."""
    return tuple(sorted(actions, key=_rank))


def _rank(action: Action) -> tuple[int, int, str, bool]:
    depth = action.path.count("/")
    step = 7, 0
    match action:
        case KeepBoth(gives_way=True) | Trash(early=True):
            step = 0, 0
        case RemoveDir(early=early):
            step = 1 if early else 6, -depth
        case MakeDir():
            step = 2, depth
        case Move():
            step = 3, 0
        case KeepBoth() | Copy() | Restore():
            step = 4, 0
        case Trash():
            step = 5, 0
        case Adopt() | AdoptDir() | Forget():
            pass
    return *step, action.path, isinstance(action, Copy)

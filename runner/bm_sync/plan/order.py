"""The order in which actions are carried out, the same for the same plan.

What must leave a name goes first; removals come after copies; what only the memory learns comes
last.
"""

from __future__ import annotations

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
    Trash,
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

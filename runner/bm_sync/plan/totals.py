"""The figures of a list of actions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from bm_sync.model.plan import (
    Action,
    Copy,
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

"""Deletions that a remote cannot carry out: the file stays there, and the plan says so each time.

The baseline keeps its row, so the deletion is not taken for a new file of the remote and nothing
comes back. Whatever needs the name that stays occupied waits with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bm_sync.model.plan import Action, KeepBoth, Trash
from bm_sync.model.tree import Problem, ProblemKind, Side
from bm_sync.plan.barrier import ancestors
from bm_sync.plan.scene import Draft, Scene

_WHAT = "would be deleted on the remote, which deletes nothing; it stays there"


def settle(scene: Scene, draft: Draft) -> None:
    """Take out what would delete on a remote that cannot, with all that depends on it."""
    fixed = {side for side in Side if not scene.observation.tree(side).can_delete}
    if not fixed:
        return
    stuck = {
        _root(draft, action.path): side
        for action in draft.actions
        if (side := _deletes(action)) in fixed and side is not None
    }
    for path, side in sorted(stuck.items()):
        draft.block(path, side, ProblemKind.UNDELETABLE, _WHAT)
    if stuck:
        draft.actions = [a for a in draft.actions if not _within(a.path, stuck)]
        draft.clashes = [c for c in draft.clashes if not _within(c.path, stuck)]


def withheld(problems: Sequence[Problem]) -> Mapping[Side, tuple[str, ...]]:
    """Return the paths whose deletion was taken out, by the side where they stay."""
    kept = [p for p in problems if p.kind is ProblemKind.UNDELETABLE]
    return {side: tuple(p.path for p in kept if p.side is side) for side in Side}


def _deletes(action: Action) -> Side | None:
    """Return the side that an action deletes on."""
    match action:
        case Trash(side=side) | KeepBoth(gives_way=True, loser=side):
            return side
        case _:
            return None


def _root(draft: Draft, path: str) -> str:
    """Return the name that stays as it is: where a file stands against a folder, the topmost."""
    disputed = [up for up in ancestors(path) if up in draft.zones]
    return disputed[-1] if disputed else path


def _within(path: str, stuck: Collection[str]) -> bool:
    return path in stuck or any(up in stuck for up in ancestors(path))

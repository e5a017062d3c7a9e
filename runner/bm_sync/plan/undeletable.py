"""Deletions that the remote cannot carry out: the file stays there, and the plan says so each time.

The baseline keeps its row, so the deletion is not taken for a new file of the remote and nothing
comes back here. Whatever needs the name that stays occupied waits with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from bm_sync.model.plan import Action, KeepBoth, Trash
from bm_sync.model.tree import Problem, ProblemKind, Side
from bm_sync.plan.barrier import ancestors
from bm_sync.plan.scene import Draft, Scene

_WHAT = "would be deleted on the remote, which deletes nothing; it stays there"


def settle(scene: Scene, draft: Draft) -> None:
    """Take out what would delete on a remote that cannot, with all that depends on it."""
    if scene.observation.remote.can_delete:
        return
    stuck = {_root(draft, action.path) for action in draft.actions if _deletes(action)}
    for path in sorted(stuck):
        draft.block(path, Side.REMOTE, ProblemKind.UNDELETABLE, _WHAT)
    if stuck:
        draft.actions = [a for a in draft.actions if not _within(a.path, stuck)]
        draft.clashes = [c for c in draft.clashes if not _within(c.path, stuck)]


def withheld(problems: Sequence[Problem]) -> tuple[str, ...]:
    """Return the paths whose deletion was taken out."""
    return tuple(p.path for p in problems if p.kind is ProblemKind.UNDELETABLE)


def _deletes(action: Action) -> bool:
    match action:
        case Trash(side=Side.REMOTE) | KeepBoth(gives_way=True, loser=Side.REMOTE):
            return True
        case _:
            return False


def _root(draft: Draft, path: str) -> str:
    """Return the name that stays as it is: where a file stands against a folder, the topmost."""
    disputed = [up for up in ancestors(path) if up in draft.zones]
    return disputed[-1] if disputed else path


def _within(path: str, stuck: set[str]) -> bool:
    return path in stuck or any(up in stuck for up in ancestors(path))

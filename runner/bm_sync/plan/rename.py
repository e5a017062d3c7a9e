"""Recognises a rename: a file that vanished on one side and came back under another name.

Only files with the same known content pair up, one to one. Whether anything moves at all is decided
before.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict

from bm_sync.model.config import Engine, Mode
from bm_sync.model.plan import Copy, Move, Reason, Trash
from bm_sync.model.tree import Side
from bm_sync.plan import steps
from bm_sync.plan.barrier import ancestors
from bm_sync.plan.change import Change, PathDiff
from bm_sync.plan.scene import Draft, Scene

_Key = tuple[str, int]


def recognise(scene: Scene, draft: Draft) -> None:
    """Replace each pair of a copy and a removal that is a rename by a move.

    bisync is left to copy and delete: it says afterwards what it moved, not before.
    """
    if scene.mode in (Mode.PUSH, Mode.PULL) or scene.intent.policy.engine is Engine.BISYNC:
        return
    for side in Side:
        moves = _moves(scene, draft, side)
        if moves:
            new, old = {m.path for m in moves}, {m.old_path for m in moves}
            draft.actions = [
                action
                for action in draft.actions
                if not (isinstance(action, Copy) and action.path in new)
                and not (isinstance(action, Trash) and action.path in old)
            ]
            draft.actions.extend(moves)


def _moves(scene: Scene, draft: Draft, side: Side) -> list[Move]:
    left: dict[_Key, list[PathDiff]] = defaultdict(list)
    came: dict[_Key, list[PathDiff]] = defaultdict(list)
    for action in draft.actions:
        diff = scene.diffs.get(action.path)
        if diff is None or _disputed(draft, action.path):
            continue
        if isinstance(action, Trash) and _left(action, diff, side):
            _file_under(left, diff, side)
        elif isinstance(action, Copy) and action.reason is Reason.NEW and action.to is side:
            _file_under(came, diff, side.other)
    return [
        steps.move(old, new, side)
        for key in sorted(left.keys() & came.keys())
        for old, new in _pairs(left[key], came[key])
    ]


def _left(action: Trash, diff: PathDiff, side: Side) -> bool:
    if action.side is not side or action.early or diff.row is None:
        return False
    return diff.change(side) is Change.UNCHANGED


def _file_under(index: dict[_Key, list[PathDiff]], diff: PathDiff, side: Side) -> None:
    content, size = diff.content(side), steps.present(diff, side).size
    if content is not None and size > 0:
        index[content, size].append(diff)


def _pairs(old: list[PathDiff], new: list[PathDiff]) -> list[tuple[PathDiff, PathDiff]]:
    """Pair up, those that kept their last name first, then in order of path."""
    waiting = sorted(old, key=lambda diff: diff.path)
    rest = sorted(new, key=lambda diff: diff.path)
    pairs: list[tuple[PathDiff, PathDiff]] = []
    for wanted in (_last_name, lambda _: ""):
        open_: dict[str, list[PathDiff]] = defaultdict(list)
        for diff in reversed(waiting):
            open_[wanted(diff)].append(diff)
        found = [(open_[wanted(diff)].pop(), diff) for diff in rest if open_[wanted(diff)]]
        used = {diff.path for pair in found for diff in pair}
        waiting = [diff for diff in waiting if diff.path not in used]
        rest = [diff for diff in rest if diff.path not in used]
        pairs.extend(found)
    return pairs


def _last_name(diff: PathDiff) -> str:
    return posixpath.basename(diff.path)


def _disputed(draft: Draft, path: str) -> bool:
    if not draft.zones:
        return False
    return path in draft.zones or any(up in draft.zones for up in ancestors(path))

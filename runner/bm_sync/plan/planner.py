"""Decides everything: an observation and an intent in, the plan of one project out.

Total, deterministic and ordered. Every mode is a policy of this one planner.

What the problems of the two trees come to: which are told, which only noted.

A skipped symlink that nobody else knows of is a note, not a failure.

Recognises a rename: a file that vanished on one side and came back under another name.

Only files with the same known content pair up, one to one. Whether anything moves at all is decided
before.
"""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import assert_never

from bm_sync.model.config import Engine, Mode
from bm_sync.model.plan import LEFT, Action, Copy, Move, ProjectPlan, Reason, Trash
from bm_sync.model.tree import Observation, Problem, ProblemKind, Side
from bm_sync.plan import barrier, case, clash, conflict, folders, guard, steps, undeletable
from bm_sync.plan.barrier import ancestors
from bm_sync.plan.change import Change, PathDiff, diffs, rows
from bm_sync.plan.intent import Intent, source_side
from bm_sync.plan.order import ordered
from bm_sync.plan.policy import Agree, Contest, Drop, Leave, Lose, Take, Verdict, verdict
from bm_sync.plan.scene import Draft, Scene
from bm_sync.structs import replace

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


_WORDS = {
    ProblemKind.UNREADABLE: "unreadable path",
    ProblemKind.NAME: "name",
    ProblemKind.SYMLINK: "symlink",
    ProblemKind.SPECIAL: "special file",
    ProblemKind.CLASH: "clash",
    ProblemKind.CASE: "case twin",
}


def told(observation: Observation) -> tuple[list[Problem], list[str]]:
    """Return the problems that fail the project, and notes on the others."""
    loud: list[Problem] = []
    quiet: Counter[ProblemKind] = Counter()
    for side in Side:
        problems = observation.tree(side).problems
        minor = {p.path for p in problems if p.silent_alone}
        known = _known(observation, side.other, minor) if minor else frozenset()
        for problem in problems:
            if problem.silent_alone and problem.path not in known:
                quiet[problem.kind] += 1
            else:
                loud.append(problem)
    return loud, [_note(kind, quiet[kind]) for kind in sorted(quiet)]


def _note(kind: ProblemKind, count: int) -> str:
    return f"{count} {_WORDS[kind]}{'' if count == 1 else 's'} skipped"


def _known(observation: Observation, other: Side, paths: set[str]) -> frozenset[str]:
    """Return those paths that the other tree or the baseline knows, or something below them."""
    tree, baseline = observation.tree(other), observation.baseline
    found: set[str] = set()
    for group in (tree.files, tree.dirs, rows(observation), baseline.dirs):
        for path in group:
            found.update(name for name in (path, *ancestors(path)) if name in paths)
    return frozenset(found)


def make(project: str, key: str, observation: Observation, intent: Intent) -> ProjectPlan:
    """Return the plan of a project; a guard that refuses it is in `stops`."""
    intent = _settled(intent, observation)
    found = diffs(observation, intent.policy.compare)
    scene = Scene(observation, intent, {diff.path: diff for diff in found})
    problems, notes = told(observation)
    draft = Draft(barrier.of(observation), problems=problems, notes=notes)
    _decide(scene, draft)
    return _finish(project, key, scene, draft)


def _settled(intent: Intent, observation: Observation) -> Intent:
    """Return an intent that accepts an empty side only where the source is empty."""
    source = source_side(intent.policy)
    if source is None or not observation.tree(source).files or not intent.accept.empty_side:
        return intent
    return replace(intent, accept=replace(intent.accept, empty_side=False))


def _decide(scene: Scene, draft: Draft) -> None:
    names = conflict.Names(scene, draft)
    clash.settle(scene, draft, names)
    verdicts = {
        path: verdict(diff, scene.intent)
        for path, diff in scene.diffs.items()
        if not draft.barrier.file(path)
    }
    early = case.screen(scene, draft, verdicts)
    for path, decision in verdicts.items():
        if isinstance(decision, Contest):
            conflict.contest(scene, draft, scene.diffs[path], names)
        else:
            draft.actions += _carried(scene.diffs[path], decision, early=path in early)
    draft.notes += _left_by_the_mode(scene, verdicts)
    undeletable.settle(scene, draft)
    recognise(scene, draft)
    folders.settle(scene, draft)
    folders.make_roots(scene, draft)


def _left_by_the_mode(scene: Scene, verdicts: Mapping[str, Verdict]) -> list[str]:
    """Say how many files a push or a pull leaves as they are, though they differ from its source.

    They were changed at its destination since both sides agreed.
    """
    source = scene.source
    if source is None or scene.mode is Mode.MIRROR:
        return []
    diffs = [scene.diffs[path] for path, found in verdicts.items() if isinstance(found, Leave)]
    there = [d for d in diffs if d.file(source.other) is not None]
    changed = sum(1 for d in there if d.file(source) is not None)
    new = sum(1 for d in there if d.file(source) is None and d.row is None)
    counts = [
        f"{_files(number)} {'was' if number == 1 else 'were'} {word}"
        for number, word in ((changed, "changed"), (new, "made"))
        if number
    ]
    if not counts:
        return []
    them = "it" if changed + new == 1 else "them"
    where = f"{' and '.join(counts)} on the {source.other} side"
    return [f"{where}: a {scene.mode} {LEFT} {them}"]


def _files(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"


def _carried(
    diff: PathDiff, decision: Leave | Agree | Lose | Take | Drop, *, early: bool
) -> list[Action]:
    """Return what carries out a verdict on one path."""
    match decision:
        case Leave():
            return []
        case Lose():
            return [steps.forget(diff.path)]
        case Agree():
            learnt = steps.adopt(diff)
            return [] if learnt is None else [learnt]
        case Take(to, reason):
            return [steps.copy(diff, to, reason)]
        case Drop(side, reason):
            return [steps.trash(diff, side, reason, early=early)]
        case _:
            assert_never(decision)


def _finish(project: str, key: str, scene: Scene, draft: Draft) -> ProjectPlan:
    observation, intent = scene.observation, scene.intent
    plan = ProjectPlan(
        project=project,
        key=key,
        mode=intent.policy.mode,
        direction=intent.policy.direction,
        local=intent.local_label,
        remote=intent.remote_label,
        actions=ordered(draft.actions),
        clashes=tuple(sorted(draft.clashes, key=lambda clash: clash.path)),
        problems=tuple(sorted(draft.problems, key=lambda p: (p.path, p.side, p.kind))),
        filter_change=observation.filter_change,
        files_local=len(observation.local.files),
        files_remote=len(observation.remote.files),
        notes=tuple(draft.notes),
        was=intent.was,
    )
    return guard.judged(plan, observation, intent, reconciling=True)

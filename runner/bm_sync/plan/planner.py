"""Decides everything: an observation and an intent in, the plan of one project out.

Total, deterministic and ordered. Every mode is a policy of this one planner.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from bm_sync.model.config import Mode
from bm_sync.model.plan import LEFT, Action, ProjectPlan
from bm_sync.model.tree import Observation
from bm_sync.plan import (
    barrier,
    case,
    clash,
    conflict,
    folders,
    guard,
    rename,
    steps,
    trouble,
    undeletable,
)
from bm_sync.plan.change import PathDiff, diffs
from bm_sync.plan.intent import Intent, source_side
from bm_sync.plan.order import ordered
from bm_sync.plan.policy import Agree, Contest, Drop, Leave, Lose, Take, Verdict, verdict
from bm_sync.plan.scene import Draft, Scene
from bm_sync.structs import replace


def make(project: str, key: str, observation: Observation, intent: Intent) -> ProjectPlan:
    """Return the plan of a project; a guard that refuses it is in `stops`."""
    intent = _settled(intent, observation)
    found = diffs(observation, intent.policy.compare)
    scene = Scene(observation, intent, {diff.path: diff for diff in found})
    problems, notes = trouble.told(observation)
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
    rename.recognise(scene, draft)
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

"""Names that a side which ignores case, or the normal form of letters, cannot tell apart.

A file never goes where another spelling of its name, or of a folder above it, stands or goes too.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

from bm_sync.model.tree import Problem, ProblemKind, Side, Tree
from bm_sync.plan.barrier import ancestors, folders_of
from bm_sync.plan.policy import Drop, Take, Verdict
from bm_sync.plan.scene import Draft, Scene
from bm_sync.plan.spellings import fold, form

_WHAT = "differs from another name only by {what}, which {side} cannot hold beside it"
_CASE, _FORM = "case", "the normal form of a letter (NFC, NFD)"

Spelling = Callable[[str], str]


def sees(tree: Tree) -> Spelling | None:
    """Return what tells the names that a side takes for one; None where each is its own."""
    if tree.case_insensitive:
        return fold
    return form if tree.form_insensitive else None


def screen(scene: Scene, draft: Draft, verdicts: dict[str, Verdict]) -> frozenset[str]:
    """Take out the copies that a side cannot hold; return the trashed paths that must go early.

    A twin that leaves the side in this plan is no obstacle: a rename by case goes through.
    """
    early: set[str] = set()
    for side in Side:
        spelling = sees(scene.observation.tree(side))
        if spelling is not None:
            early |= _screen_side(scene, draft, verdicts, (side, spelling))
    return frozenset(early)


def _screen_side(
    scene: Scene, draft: Draft, verdicts: dict[str, Verdict], where: tuple[Side, Spelling]
) -> set[str]:
    side, fold = where
    there = scene.observation.tree(side).files
    coming = [
        path
        for path, decision in verdicts.items()
        if isinstance(decision, Take) and decision.to is side and path not in there
    ]
    leaving = {fold(p): p for p, v in verdicts.items() if isinstance(v, Drop) and v.side is side}
    spelt = _spellings(scene, where, coming)
    arrivals = Counter(fold(path) for path in coming)
    draft.twins |= {(side, path) for group in spelt.values() if len(group) > 1 for path in group}
    early: set[str] = set()
    for path in coming:
        twin = leaving.get(fold(path))
        others = spelt[fold(path)] - {path}
        new_above = (up for up in ancestors(path) if up not in scene.folders(side))
        above = any(len(spelt[fold(up)]) > 1 for up in new_above)
        if above or (others and (others != {twin} or arrivals[fold(path)] > 1)):
            verdicts.pop(path)
            draft.barrier.alone.add(path)
            alike = {form(name) for name in (*others, path)}
            differs = _FORM if len(alike) == 1 and others else _CASE
            what = _WHAT.format(what=differs, side=f"the {side} side")
            draft.problems.append(Problem(path, side.other, ProblemKind.CASE, what))
        elif twin is not None:
            early.add(twin)
    return early


def _spellings(
    scene: Scene, where: tuple[Side, Spelling], coming: list[str]
) -> dict[str, set[str]]:
    """Return the spellings of every name that stands on the side or comes to it."""
    side, fold = where
    found: dict[str, set[str]] = defaultdict(set)
    names = (scene.observation.tree(side).files, scene.folders(side), coming)
    for group in (*names, folders_of(iter(coming)), scene.folders(side.other)):
        for path in group:
            found[fold(path)].add(path)
    return found

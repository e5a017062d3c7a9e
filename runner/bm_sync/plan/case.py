"""Names that a side which ignores case cannot tell apart.

A file never goes where another spelling of its name, or of a folder above it, stands or goes too.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict

from bm_sync.model.tree import Problem, ProblemKind, Side
from bm_sync.plan.barrier import ancestors, folders_of
from bm_sync.plan.policy import Drop, Take, Verdict
from bm_sync.plan.scene import Draft, Scene

_WHAT = "differs from another name only by case, which {side} cannot hold beside it"


def fold(path: str) -> str:
    """Return what a side that ignores case sees of a path; such sides mostly ignore NFC too."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def screen(scene: Scene, draft: Draft, verdicts: dict[str, Verdict]) -> frozenset[str]:
    """Take out the copies that a side cannot hold; return the trashed paths that must go early.

    A twin that leaves the side in this plan is no obstacle: a rename by case goes through.
    """
    early: set[str] = set()
    for side in Side:
        if scene.observation.tree(side).case_insensitive:
            early |= _screen_side(scene, draft, verdicts, side)
    return frozenset(early)


def _screen_side(scene: Scene, draft: Draft, verdicts: dict[str, Verdict], side: Side) -> set[str]:
    there = scene.observation.tree(side).files
    coming = [
        path
        for path, decision in verdicts.items()
        if isinstance(decision, Take) and decision.to is side and path not in there
    ]
    leaving = {fold(p): p for p, v in verdicts.items() if isinstance(v, Drop) and v.side is side}
    spelt = _spellings(scene, side, coming)
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
            what = _WHAT.format(side=f"the {side} side")
            draft.problems.append(Problem(path, side.other, ProblemKind.CASE, what))
        elif twin is not None:
            early.add(twin)
    return early


def _spellings(scene: Scene, side: Side, coming: list[str]) -> dict[str, set[str]]:
    """Return the spellings of every name that stands on the side or comes to it."""
    found: dict[str, set[str]] = defaultdict(set)
    names = (scene.observation.tree(side).files, scene.folders(side), coming)
    for group in (*names, folders_of(iter(coming)), scene.folders(side.other)):
        for path in group:
            found[fold(path)].add(path)
    return found

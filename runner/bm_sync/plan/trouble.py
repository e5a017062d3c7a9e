"""What the problems of the two trees come to: which are told, which only noted.

A skipped symlink that nobody else knows of is a note, not a failure.
"""

from __future__ import annotations

from collections import Counter

from bm_sync.model.tree import Observation, Problem, ProblemKind, Side
from bm_sync.plan.barrier import ancestors
from bm_sync.plan.change import rows

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

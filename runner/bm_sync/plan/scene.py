"""What one planning works on: the observation, the intent, and what was found so far.

A `Draft` is filled step by step by the modules of this room and turned into a plan by `planner`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice

from bm_sync.model.config import Mode
from bm_sync.model.plan import Action, Clash
from bm_sync.model.tree import Observation, Problem, ProblemKind, Side
from bm_sync.plan.barrier import Barrier, folders_of
from bm_sync.plan.change import PathDiff
from bm_sync.plan.intent import Intent, source_side


@dataclass(frozen=True)
class Scene:
    """The fixed facts of one planning; `diffs` are the paths that are not quiet, by path."""

    observation: Observation
    intent: Intent
    diffs: dict[str, PathDiff]

    @property
    def source(self) -> Side | None:
        """Return the side that a one-way policy reads from."""
        return source_side(self.intent.policy)

    @property
    def mode(self) -> Mode:
        """Return the mode."""
        return self.intent.policy.mode

    def folders(self, side: Side) -> set[str]:
        """Return every folder of a side, those that only its files imply included."""
        return self._local_folders if side is Side.LOCAL else self._remote_folders

    def known_folders(self) -> frozenset[str]:
        """Return the folders both sides agreed on."""
        baseline = self.observation.baseline
        return baseline.dirs if baseline.known else frozenset()

    def below(self, side: Side, folder: str) -> Iterator[str]:
        """Yield the files of a side below a folder, ordered."""
        return _slice(self._local_paths if side is Side.LOCAL else self._remote_paths, folder)

    def folders_below(self, side: Side, folder: str) -> Iterator[str]:
        """Yield the folders of a side strictly below a folder, ordered."""
        return _slice(self._local_sorted if side is Side.LOCAL else self._remote_sorted, folder)

    def diffs_below(self, folder: str) -> Iterator[PathDiff]:
        """Yield what is not quiet below a folder, ordered."""
        return (self.diffs[path] for path in _slice(self._diff_paths, folder))

    @cached_property
    def _diff_paths(self) -> list[str]:
        return sorted(self.diffs)

    @cached_property
    def _local_paths(self) -> list[str]:
        return sorted(self.observation.local.files)

    @cached_property
    def _remote_paths(self) -> list[str]:
        return sorted(self.observation.remote.files)

    @cached_property
    def _local_sorted(self) -> list[str]:
        return sorted(self._local_folders)

    @cached_property
    def _remote_sorted(self) -> list[str]:
        return sorted(self._remote_folders)

    @cached_property
    def _local_folders(self) -> set[str]:
        tree = self.observation.local
        return folders_of(iter(tree.files)) | set(tree.dirs)

    @cached_property
    def _remote_folders(self) -> set[str]:
        tree = self.observation.remote
        return folders_of(iter(tree.files)) | set(tree.dirs)


def _slice(paths: list[str], folder: str) -> Iterator[str]:
    # "0" follows "/" in every ordering of code points.
    start, end = bisect_left(paths, folder + "/"), bisect_left(paths, folder + "0")
    return islice(paths, start, end)


@dataclass
class Draft:
    """What was decided so far.

    `barrier` grows while clashes of names are found. `zones` are the paths where a file stands
    against a folder, `twins` the folders that differ from another one only by case.
    """

    barrier: Barrier
    zones: set[str] = field(default_factory=set)
    twins: set[tuple[Side, str]] = field(default_factory=set)
    actions: list[Action] = field(default_factory=list)
    clashes: list[Clash] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def block(self, path: str, side: Side, kind: ProblemKind, what: str) -> None:
        """Leave a path and everything below it alone, and say why."""
        self.barrier.whole.add(path)
        self.problems.append(Problem(path, side, kind, what))

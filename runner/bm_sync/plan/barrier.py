"""Which paths are left as they are on both sides (I12).

Nothing is decided here about why.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, field

from bm_sync.model.tree import Observation


def ancestors(path: str) -> Iterator[str]:
    """Yield the folders above a path, nearest first, without the root."""
    cut = path.rfind("/")
    while cut > 0:
        path = path[:cut]
        yield path
        cut = path.rfind("/")


def folders_of(paths: Iterator[str]) -> set[str]:
    """Return every folder that the given paths imply."""
    found: set[str] = set()
    for parent in {path.rpartition("/")[0] for path in paths}:
        folder = parent
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


class Barrier(Struct):
    """The blocked paths.

    whole: the path and everything below it. alone: only the path itself. below: only what lies
    below it.
    """

    whole: set[str] = field(default_factory=set)
    alone: set[str] = field(default_factory=set)
    below: set[str] = field(default_factory=set)

    def file(self, path: str) -> bool:
        """Return whether the file at this path must be left alone."""
        if not (self.whole or self.alone or self.below):
            return False
        return path in self.alone or path in self.whole or self._under(path)

    def folder(self, path: str) -> bool:
        """Return whether the folder at this path must be left alone."""
        if not (self.whole or self.below):
            return False
        return path in self.below or path in self.whole or self._under(path)

    def _under(self, path: str) -> bool:
        if "" in self.whole:
            return True
        return any(up in self.whole or up in self.below for up in ancestors(path))


def of(observation: Observation) -> Barrier:
    """Return the barrier that the problems of both trees make."""
    problems = (*observation.local.problems, *observation.remote.problems)
    return Barrier(whole={problem.path for problem in problems})

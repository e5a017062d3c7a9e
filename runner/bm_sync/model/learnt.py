"""What the listings of an earlier `rclone bisync` taught about a project."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from msgspec import Struct


class Since(StrEnum):
    """What has happened to a file since the listings were written."""

    UNCHANGED = "unchanged"
    CHANGED_HERE = "changed here"
    CHANGED_THERE = "changed there"
    CHANGED_BOTH = "changed on both sides"
    DELETED_HERE = "deleted here"
    DELETED_THERE = "deleted there"


class LearntFile(Struct, frozen=True):
    """A file that both listings agree on."""

    path: str
    since: Since


class NotLearnt(Struct, frozen=True):
    """A file of the listings that is not believed, and why."""

    path: str
    why: str


class Learnt(Struct, frozen=True):
    """The memory of a project as it was read from two listings, the local one first.

    `damaged` counts the lines that could not be read. `replaced`: an older memory was forgotten.
    """

    project: str
    listings: tuple[Path, Path]
    files: tuple[LearntFile, ...]
    left_out: tuple[NotLearnt, ...]
    damaged: int
    replaced: bool

    def count(self, since: Since) -> int:
        """Return how many files have had this happen to them."""
        return sum(file.since is since for file in self.files)

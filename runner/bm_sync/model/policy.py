"""How a project is kept in sync: every choice of a policy, with its default.

Sizes are bytes, durations seconds, percentages 0 to 100.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from msgspec import Struct

from bm_sync.model.origin import BUILT_IN, Origin


class Mode(StrEnum):
    """How the two sides of a project relate."""

    TWO_WAY = "two-way"
    MIRROR = "mirror"
    PUSH = "push"
    PULL = "pull"


class Direction(StrEnum):
    """Which way a mirror goes: up is local to remote."""

    UP = "up"
    DOWN = "down"


class Winner(StrEnum):
    """Which version keeps the name when both sides changed."""

    NEWER = "newer"
    OLDER = "older"
    LARGER = "larger"
    SMALLER = "smaller"
    LOCAL = "local"
    REMOTE = "remote"
    BOTH = "both"
    STOP = "stop"
    MERGE = "merge"  # neither: both changes of a text, else as newer


class Loser(StrEnum):
    """Where the other version of a conflict is kept."""

    COPY = "copy"
    TRASH = "trash"


class Compare(StrEnum):
    """How much is hashed: what is unknown, every moved stamp, or everything."""

    AUTO = "auto"
    CHECKSUM = "checksum"
    FULL = "full"


class Verify(StrEnum):
    """How a transferred file is compared again."""

    CHECKSUM = "checksum"
    SIZE = "size"


class Engine(StrEnum):
    """Who carries a two-way plan out: bm-sync's own hands, or `rclone bisync`."""

    RECONCILE = "reconcile"
    BISYNC = "bisync"


class Lease(StrEnum):
    """Whether machines take turns in writing to one place on a remote, by a lease kept there."""

    NONE = "none"
    REMOTE = "remote"


class Links(StrEnum):
    """What happens to symbolic links; links that leave the project are never followed."""

    SKIP = "skip"
    FOLLOW = "follow"


class Git(StrEnum):
    """What happens to what is git's own: `.git`, and folders that are git directories."""

    SKIP = "skip"
    SYNC = "sync"


class Limit(Struct, frozen=True):
    """A guard limit: a count, a percentage with a floor, or both (the smaller then holds)."""

    count: int | None = None
    percent: float | None = None
    at_least: int = 0
    origin: Origin = BUILT_IN

    def allows(self, total: int) -> int | None:
        """Return how many of `total` files may be touched; None is without limit."""
        by_share = None
        if self.percent is not None:
            by_share = max(int(total * self.percent / 100), self.at_least)
        known = [n for n in (self.count, by_share) if n is not None]
        return min(known, default=None)


class Guards(Struct, frozen=True):
    """Limits judged on the whole plan of a project before the first byte moves."""

    max_delete: Limit = Limit(percent=25, at_least=10)
    max_overwrite: Limit = Limit(percent=50, at_least=50)
    max_bytes: int | None = None
    max_bytes_origin: Origin = BUILT_IN
    empty_side: Literal["stop", "allow"] = "stop"
    empty_side_origin: Origin = BUILT_IN


class Conflict(Struct, frozen=True):
    """What to do when both sides changed a file."""

    winner: Winner = Winner.NEWER
    loser: Loser = Loser.COPY


class Retry(Struct, frozen=True):
    """How often and how long a repeatable failure is tried again."""

    attempts: int = 5
    max_wait_s: float = 60.0


class Limits(Struct, frozen=True):
    """Bounds on resources.

    `bandwidth` is bytes per second for the whole run (rclone's limit is per process).
    """

    bandwidth: int | None = None
    transfers: int = 4
    checkers: int = 8
    timeout_s: float | None = None


class KeepVersions(Struct, frozen=True):
    """How long and how much trash is kept.

    Nothing of an unfinished run is ever pruned.
    """

    for_s: float | None = 30 * 86400.0
    at_most: int | None = None


class Policy(Struct, frozen=True):
    """Everything that decides how a project is reconciled."""

    name: str
    mode: Mode = Mode.TWO_WAY
    direction: Direction = Direction.UP
    conflict: Conflict = Conflict()
    compare: Compare = Compare.AUTO
    guards: Guards = Guards()
    keep_versions: KeepVersions = KeepVersions()
    retry: Retry = Retry()
    limits: Limits = Limits()
    verify: Verify = Verify.CHECKSUM
    engine: Engine = Engine.RECONCILE
    lease: Lease = Lease.NONE

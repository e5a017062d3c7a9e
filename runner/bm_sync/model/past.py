"""What a run did to the files of a project, as far as it can be taken back."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from bm_sync.model.plan import Accept
from bm_sync.model.tree import Side


class EffectKind(StrEnum):
    """What happened at a path of one side."""

    PUT = "put"  # a version came there, new or in the place of another
    GONE = "gone"  # the version that stood there left
    MOVED = "moved"  # the version of `old_path` came there by a rename
    MADE_DIR = "made-dir"
    REMOVED_DIR = "removed-dir"


PRUNED = ""
"""In the place of `Effect.kept`: a version was kept, and has been removed since."""


class Effect(Struct, frozen=True):
    """One thing that a run did.

    `content` is the digest of what stands at `path` since, None where nothing does. `kept` says
    where the version before is: in the trash (a path below the side's base, beginning with
    `layout.HOME`), in a conflict copy (a path of the project), `PRUNED`, or None when none stood
    there. `kept_content` is None where nobody had a hash.
    """

    kind: EffectKind
    path: str
    side: Side
    content: str | None = None
    old_path: str | None = None
    kept: str | None = None
    kept_size: int = 0
    kept_content: str | None = None


class Undo(Struct, frozen=True):
    """What is to be taken back.

    `run` is None for the last run that changed something, else an id or the beginning of one.
    `projects` are names or globs, `paths` globs of paths in the project; empty is all.
    """

    run: str | None = None
    projects: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    accept: Accept = Accept()


class KeptVersion(Struct, frozen=True):
    """One version of a file in the trash of a side.

    `until` is when the run began that replaced or deleted it (ISO 8601, UTC): it stood until then.
    `place` is its path below the side's base, `label` the same as a person reads it.
    """

    project: str
    path: str
    run: str
    side: Side
    until: str
    size: int
    place: str
    label: str


class OldVersions(Struct, frozen=True):
    """What the trash of one side holds of one run, and why it is to go."""

    project: str
    run: str
    side: Side
    files: int
    bytes: int
    why: str


class OldRuns(Struct, frozen=True):
    """What is recorded of earlier runs and goes by `keep_history`.

    `records` are those of projects, `runs` whole ones, `logs` files. `first` and `last` are the
    days (YYYYMMDD) of the oldest and newest record, "" when nothing is to go. `bytes` is the size
    of the state, before and after (the same when nothing was removed).
    """

    records: int = 0
    runs: int = 0
    logs: int = 0
    first: str = ""
    last: str = ""
    bytes_before: int = 0
    bytes_after: int = 0

    @property
    def empty(self) -> bool:
        """Return whether nothing is to go."""
        return not (self.records or self.runs or self.logs)

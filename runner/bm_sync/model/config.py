"""What a manifest declares, resolved.

Every default is filled in, every path absolute, every name looked up. Sizes are
bytes, durations seconds, percentages 0 to 100.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal


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


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was said.

    Lines and columns count from 1; line 0 means a built-in default.
    """

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else "built-in default"


BUILT_IN = Origin("", 0, 0)


@dataclass(frozen=True, slots=True)
class Limit:
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


@dataclass(frozen=True, slots=True)
class Guards:
    """Limits judged on the whole plan of a project before the first byte moves."""

    max_delete: Limit = Limit(percent=25, at_least=10)
    max_overwrite: Limit = Limit(percent=50, at_least=50)
    max_bytes: int | None = None
    max_bytes_origin: Origin = BUILT_IN
    empty_side: Literal["stop", "allow"] = "stop"
    empty_side_origin: Origin = BUILT_IN


@dataclass(frozen=True, slots=True)
class Conflict:
    """What to do when both sides changed a file."""

    winner: Winner = Winner.NEWER
    loser: Loser = Loser.COPY


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how long a repeatable failure is tried again."""

    attempts: int = 5
    max_wait_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on resources.

    `bandwidth` is bytes per second for the whole run (rclone's limit is per process).
    """

    bandwidth: int | None = None
    transfers: int = 4
    checkers: int = 8
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class KeepVersions:
    """How long and how much trash is kept.

    Nothing of an unfinished run is ever pruned.
    """

    for_s: float | None = 30 * 86400.0
    at_most: int | None = None


@dataclass(frozen=True, slots=True)
class Policy:
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


@dataclass(frozen=True, slots=True)
class Rule:
    """One gitignore pattern with the place it was said.

    `base` is the folder it is relative to ("" is the root).
    """

    pattern: str
    origin: Origin
    base: str = ""


@dataclass(frozen=True, slots=True)
class FilterSet:
    """The filters of a project, merged in the order they are named.

    `shared` are the rules of `ignore_files` (weakest), then come the project's .gitignore files
    when `gitignore` is set, then `rules`, the manifest's own `exclude` (strongest). Within each the
    last match wins.
    """

    gitignore: bool = False
    shared: tuple[Rule, ...] = ()
    rules: tuple[Rule, ...] = ()
    max_size: int | None = None
    links: Links = Links.SKIP


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret comes from: an environment variable, a file, or the output of a command."""

    kind: Literal["env", "file", "command"]
    value: str
    origin: Origin


OptionValue = str | SecretRef


@dataclass(frozen=True, slots=True)
class FolderRemote:
    """A remote that is a folder of this machine (`type: local`).

    `root` is absolute.
    """

    name: str
    root: Path


@dataclass(frozen=True, slots=True)
class BackendRemote:
    """A remote declared in the manifest: an rclone backend with its options.

    `root` has no slash at either end.
    """

    name: str
    type: str
    options: tuple[tuple[str, OptionValue], ...]
    root: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class NamedRemote:
    """A remote of the user's own rclone.conf, used as it is.

    `root` has no slash at either end.
    """

    name: str
    rclone: str
    root: str
    origin: Origin


CLOUD_TYPE = "basic-memory-cloud"
# Basic Memory's own client has it built in (basic-memory 0.24.1, cli/commands/cloud).
CLOUD_STORAGE = "https://fly.storage.tigris.dev"


@dataclass(frozen=True, slots=True)
class CloudRemote:
    """A workspace of Basic Memory Cloud (`type: basic-memory-cloud`).

    `host` is the service's URL without a slash at the end, None for the one that the environment
    or Basic Memory's own configuration names. `workspace` is a slug, a name or an id, None for the
    account's default. `transport` names the way to the files, `auto` for whichever the account may
    use. `storage` is the URL of the object store, which the service does not tell.
    """

    name: str
    host: str | None
    workspace: str | None
    transport: Literal["auto", "s3", "webdav"]
    storage: str
    origin: Origin


DistantRemote = BackendRemote | NamedRemote | CloudRemote
Remote = FolderRemote | DistantRemote


class Placement(StrEnum):
    """The three states of a project, told by what it declares."""

    SYNCED = "synced"
    CLOUD_ONLY = "cloud-only"
    LOCAL_ONLY = "local-only"


@dataclass(frozen=True, slots=True)
class Project:
    """One declared project.

    `path` is below the remote's root, slash-separated, "" for the root itself.
    """

    name: str
    local: Path | None
    remote: Remote | None
    path: str
    policy: Policy
    filters: FilterSet
    tags: tuple[str, ...]
    origin: Origin

    @property
    def placement(self) -> Placement:
        """Return which of the three states this project is in."""
        if self.remote is None:
            return Placement.LOCAL_ONLY
        return Placement.SYNCED if self.local is not None else Placement.CLOUD_ONLY


@dataclass(frozen=True, slots=True)
class Manifest:
    """A whole manifest, resolved.

    `digest` is the SHA-256 of its text; `file` is as the user named it.
    """

    file: Path
    digest: str
    remotes: tuple[Remote, ...]
    projects: tuple[Project, ...]

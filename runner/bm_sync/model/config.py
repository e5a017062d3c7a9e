"""What a manifest declares, resolved.

Every default is filled in, every path absolute, every name looked up. Sizes are
bytes, durations seconds, percentages 0 to 100.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from bm_sync.masking import Veil
from bm_sync.model.origin import BUILT_IN, Origin
from bm_sync.model.policy import (
    Compare,
    Conflict,
    Direction,
    Engine,
    Git,
    Guards,
    KeepVersions,
    Lease,
    Limit,
    Limits,
    Links,
    Loser,
    Mode,
    Policy,
    Retry,
    Verify,
    Winner,
)
from bm_sync.model.schedule import Schedule

if TYPE_CHECKING:  # few manifests have them
    from bm_sync.model.conditions import Conditions
    from bm_sync.model.fleet import Fleet
    from bm_sync.model.hooks import Hook
    from bm_sync.model.notices import Target
    from bm_sync.model.state_home import StateHome
    from bm_sync.model.uses import Use

__all__ = [
    "BUILT_IN",
    "CLOUD_STORAGE",
    "CLOUD_TYPE",
    "BackendRemote",
    "CloudRemote",
    "Compare",
    "Conflict",
    "Direction",
    "DistantRemote",
    "Elsewhere",
    "Engine",
    "FilterSet",
    "FolderRemote",
    "Git",
    "Guards",
    "IgnoreFile",
    "KeepVersions",
    "Lease",
    "Limit",
    "Limits",
    "Links",
    "Loser",
    "Manifest",
    "Mode",
    "NamedRemote",
    "OptionValue",
    "OrderPath",
    "Origin",
    "Placement",
    "Policy",
    "Project",
    "Remote",
    "Retry",
    "Rule",
    "SecretRef",
    "Source",
    "Verify",
    "Winner",
]


class Rule(Struct, frozen=True):
    """One gitignore pattern with the place it was said.

    `base` is the folder it is relative to ("" is the root).
    """

    pattern: str
    origin: Origin
    base: str = ""


class IgnoreFile(Struct, frozen=True):
    """A file that `ignore_files` names, as it is written there; `own`: it lies by the manifest."""

    file: str
    patterns: int
    own: bool


class OrderPath(Struct, frozen=True):
    """A path of a project that runs take their orders from: no run writes it, none deletes it.

    `path` is below the root of a side, `what` says what it is to a run ("the manifest"), `origin`
    where it is named. Nothing has to stand there yet. With `glob` each part is a pattern (fnmatch).
    """

    path: str
    what: str
    origin: Origin
    glob: bool = False


class FilterSet(Struct, frozen=True):
    """The filters of a project, merged in the order they are named.

    `shared` are the rules of `ignore_files` (weakest), then come the project's .gitignore files
    when `gitignore` is set, then `rules`, the manifest's own `exclude` (strongest). Within each the
    last match wins. `files` are where `shared` comes from. `git` and `orders` are above them all.
    """

    gitignore: bool = True
    shared: tuple[Rule, ...] = ()
    rules: tuple[Rule, ...] = ()
    max_size: int | None = None
    links: Links = Links.SKIP
    files: tuple[IgnoreFile, ...] = ()
    git: Git = Git.SKIP
    orders: tuple[OrderPath, ...] = ()


class SecretRef(Struct, frozen=True):
    """Where a secret comes from: an environment variable, a file, or the output of a command."""

    kind: Literal["env", "file", "command"]
    value: str
    origin: Origin


OptionValue = str | SecretRef


class FolderRemote(Struct, frozen=True):
    """A remote that is a folder of this machine (`type: local`).

    `root` is absolute.
    """

    name: str
    root: Path


class BackendRemote(Struct, frozen=True):
    """A remote declared in the manifest: an rclone backend with its options.

    `root` has no slash at either end.
    """

    name: str
    type: str
    options: tuple[tuple[str, OptionValue], ...]
    root: str
    origin: Origin


class NamedRemote(Struct, frozen=True):
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


class CloudRemote(Struct, frozen=True):
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


class Source(Struct, frozen=True):
    """The remote that takes the place of the local folder (`from: remote:path`).

    `path` is below the remote's root, slash-separated, "" for the root itself.
    """

    remote: DistantRemote
    path: str


class Placement(StrEnum):
    """The three states of a project, told by what it declares."""

    SYNCED = "synced"
    CLOUD_ONLY = "cloud-only"
    LOCAL_ONLY = "local-only"


class Project(Struct, frozen=True):
    """One declared project.

    `path` is below the remote's root, slash-separated, "" for the root itself. `source` is set,
    and `local` None, when its near side is another remote. `veil` are values of the environment
    that are not shown, each with what stands for it. `was` is the project as it was declared
    before, from which it takes what is remembered.
    """

    name: str
    local: Path | None
    remote: Remote | None
    path: str
    policy: Policy
    filters: FilterSet
    tags: tuple[str, ...]
    origin: Origin
    schedule: Schedule | None = None
    hooks: tuple[Hook, ...] = ()
    conditions: Conditions | None = None
    source: Source | None = None
    veil: Veil = ()
    was: Project | None = None

    @property
    def placement(self) -> Placement:
        """Return which of the three states this project is in."""
        if self.remote is None:
            return Placement.LOCAL_ONLY
        near = self.local is not None or self.source is not None
        return Placement.SYNCED if near else Placement.CLOUD_ONLY


class Elsewhere(Struct, frozen=True):
    """A project that is not for this machine, with the reason; it is never touched here."""

    project: Project
    reason: str


_LETTERS = (  # and digits, of all scripts: without signs that order or hide text
    r"A-Za-z0-9\u00c0-\u061b\u061d-\u167f\u1681-\u180d\u1810-\u1fff\u2c00-\u2fef\u3041-\ud7ff"
    r"\uf900-\ufdff\ufe70-\ufefc\uff21-\uff3a\uff41-\uff5a\uff66-\uffdc"
)
PROJECT_NAME = f"[{_LETTERS}][{_LETTERS} ._-]{{0,62}}"
"""What a project may be called, as the manifest's schema has it."""


class KeepHistory(Struct, frozen=True):
    """For how long the records of runs are kept: every one, then one a day; None is for ever."""

    all_s: float | None = 30 * 86400.0
    daily_s: float | None = 365 * 86400.0


class Manifest(Struct, frozen=True):
    """A whole manifest, resolved.

    `digest` is the SHA-256 of its text, of all texts and of what was set from outside when it has
    more files than one; `file` is as the user named it. `metrics` is the file that every run leaves
    its figures in. `hooks` run around a whole run, `notify` is told of it. `files` are all that it
    was read from, itself first. `fleet` is where each machine leaves how it stands, `state` where
    the memory of projects lies when no machine owns it. `uses` are what it takes from this machine,
    `veil` are values of the environment that are not shown.
    """

    file: Path
    digest: str
    remotes: tuple[Remote, ...]
    projects: tuple[Project, ...]
    metrics: Path | None = None
    hooks: tuple[Hook, ...] = ()
    notify: tuple[Target, ...] = ()
    elsewhere: tuple[Elsewhere, ...] = ()
    files: tuple[Path, ...] = ()
    fleet: Fleet | None = None
    state: StateHome | None = None
    uses: tuple[Use, ...] = ()
    veil: Veil = ()
    keep_history: KeepHistory = KeepHistory()

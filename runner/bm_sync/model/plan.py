"""The plan: what would happen to every project, and what is in the way.

The actions are those of `model.action` and are found here too.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from bm_sync.errors import Exit, worst
from bm_sync.model.action import (
    MEMORY_ONLY,
    Action,
    Adopt,
    AdoptDir,
    Copy,
    Forget,
    KeepBoth,
    MakeDir,
    Move,
    Reason,
    RemoveDir,
    Restore,
    Trash,
)
from bm_sync.model.config import BUILT_IN, Direction, Loser, Mode, Origin
from bm_sync.model.tree import FilterChange, Problem, ProblemKind, Side, Stamp
from bm_sync.structs import Count, Text

__all__ = [
    "MEMORY_ONLY",
    "Accept",
    "Action",
    "Adopt",
    "AdoptDir",
    "Author",
    "Clash",
    "Copy",
    "Forget",
    "Guard",
    "KeepBoth",
    "MakeDir",
    "Move",
    "Plan",
    "ProjectPlan",
    "Reason",
    "RemoveDir",
    "Restore",
    "Stop",
    "Totals",
    "Trash",
    "Undeclared",
    "Wants",
]


LEFT = "neither sends nor replaces"
"""What a note says of files that a push or a pull leaves as they are."""


class Clash(Struct, frozen=True, forbid_unknown_fields=True):
    """A file that both sides changed, as the plan treats it.

    `winner` is None when it waits for a person (`winner: stop`, or push/pull that may not
    overwrite). `kept` is the path of the conflict copy, or None when the loser goes to the trash or
    nothing moves.
    """

    path: Text
    winner: Side | None
    loser: Loser | None
    kept: Text | None
    local: Stamp | None
    remote: Stamp | None
    what: Text


class Guard(StrEnum):
    """The guards, as `policies.*.guards` and `--accept` name them."""

    MAX_DELETE = "max_delete"
    MAX_OVERWRITE = "max_overwrite"
    MAX_BYTES = "max_bytes"
    EMPTY_SIDE = "empty_side"
    DEVICE = "device"
    ROOT = "root"
    STORE = "store"
    LISTING = "listing"


class Stop(Struct, frozen=True, forbid_unknown_fields=True):
    """A guard that refuses the plan of a project.

    `what` is one sentence with the figures; `paths` are all paths concerned in plan order. `accept`
    is the value for `--accept` that lets exactly this plan through (`delete=148`), None where no
    flag may (a root that is no folder).
    """

    guard: Guard
    side: Side
    what: Text
    paths: tuple[Text, ...] = ()
    accept: Text | None = None
    origin: Origin = BUILT_IN
    hint: Text | None = None


class Accept(Struct, frozen=True, forbid_unknown_fields=True):
    """What the user lets through on the command line, exact figures only; None accepts nothing.

    `device` is for a root that lies on another disk, `devices` for folders inside.
    """

    delete: Count | None = None
    overwrite: Count | None = None
    bytes: Count | None = None
    device: bool = False
    empty_side: bool = False
    listing: Count | None = None
    devices: tuple[Text, ...] = ()


class Wants(Struct, frozen=True, forbid_unknown_fields=True):
    """What the caller asks of a plan.

    `at` is the time that names of conflict copies may need, None for now.
    """

    accept: Accept = Accept()
    keep_deleted: bool = False
    at: datetime | None = None


class Author(Struct, frozen=True, forbid_unknown_fields=True):
    """Who made a plan: the user's login name and what the machine is called."""

    user: Text = ""
    host: Text = ""


class Totals(Struct, frozen=True, forbid_unknown_fields=True):
    """The figures of a plan.

    Files and bytes; `up` and `down` count copies, `delete` trashed files.
    """

    up: Count = 0
    down: Count = 0
    delete_local: Count = 0
    delete_remote: Count = 0
    move: Count = 0
    conflicts: Count = 0
    folders: Count = 0
    bytes_up: Count = 0
    bytes_down: Count = 0


class ProjectPlan(Struct, frozen=True, forbid_unknown_fields=True):
    """What would happen to one project.

    `key` identifies its two roots (see `state`); `local` and `remote` are the roots as a person
    reads them. `failure` is set when the project could not be observed; it then has no actions.
    `was` is what it was before, when it takes the memory of that, else "".
    """

    project: Text
    key: Text
    mode: Mode
    direction: Direction
    local: Text
    remote: Text
    actions: tuple[Action, ...] = ()
    clashes: tuple[Clash, ...] = ()
    problems: tuple[Problem, ...] = ()
    stops: tuple[Stop, ...] = ()
    filter_change: FilterChange = FilterChange()
    totals: Totals = Totals()
    files_local: Count = 0
    files_remote: Count = 0
    notes: tuple[Text, ...] = ()
    failure: Text | None = None
    failure_hint: Text | None = None
    failure_exit: Count = 0
    was: Text = ""

    @property
    def moves(self) -> tuple[Action, ...]:
        """Return the actions that change something on a side."""
        return tuple(a for a in self.actions if not isinstance(a, MEMORY_ONLY))

    @property
    def broken(self) -> tuple[Problem, ...]:
        """Return the problems that are failures; what waits for a person is not one."""
        waits = (ProblemKind.UNDELETABLE, ProblemKind.DEVICE)
        return tuple(p for p in self.problems if p.kind not in waits)

    @property
    def settled(self) -> bool:
        """Return whether the plan could be made and no guard refuses it."""
        return not (self.stops or self.failure)

    @property
    def waits(self) -> bool:
        """Return whether something waits for a person: a conflict, a deletion that cannot be."""
        undecided = any(c.winner is None for c in self.clashes)
        return undecided or len(self.broken) < len(self.problems)

    @property
    def in_sync(self) -> bool:
        """Return whether nothing would move and nothing is in the way."""
        return not (self.moves or self.waits or self.problems or self.stops or self.failure)

    @property
    def exit(self) -> Exit:
        """Return the code that `plan` and `apply` both end with, if all goes as planned."""
        if self.failure is not None:
            return Exit(self.failure_exit or Exit.FAILED)
        if self.stops:
            return Exit.STOPPED
        if self.broken:
            return Exit.FAILED
        return Exit.STOPPED if self.waits else Exit.OK


class Undeclared(Struct, frozen=True):
    """A project that is remembered, but that the manifest does not declare any more.

    `key` begins like its key, for `reset --key`. `local` and `remote` are as a person reads them.
    """

    name: Text
    key: Text
    local: Text
    remote: Text
    files: Count


class Plan(Struct, frozen=True, forbid_unknown_fields=True):
    """The plans of all selected projects.

    `undeclared` is told in a plan of the whole manifest, whose absolute path is `manifest`.
    `digest` covers everything else that stands here, every action with its stamps included; anybody
    can make it, so it tells damage and not who wrote the plan.
    """

    created: Text
    manifest: Text
    manifest_digest: Text
    projects: tuple[ProjectPlan, ...]
    digest: Text = ""
    wants: Wants = Wants()
    author: Author = Author()
    undeclared: tuple[Undeclared, ...] = ()

    @property
    def exit(self) -> Exit:
        """Return the code of the most serious project, see `ProjectPlan.exit`."""
        return worst([project.exit for project in self.projects])

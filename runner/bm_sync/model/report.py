"""What the commands return that look after projects: status, check, listing, doctor, why."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from bm_sync.errors import LockedError
from bm_sync.model.config import Origin, Placement
from bm_sync.model.diagnostic import Diagnostic as Diagnostic  # noqa: PLC0414 - told here too
from bm_sync.model.plan import Plan
from bm_sync.model.run import Run
from bm_sync.model.setup import Selection as Selection  # noqa: PLC0414 - the same
from bm_sync.model.setup import Setup as Setup  # noqa: PLC0414 - the same
from bm_sync.model.tree import Problem, Side


class OpenConflict(Struct, frozen=True):
    """A conflict that nobody has settled yet.

    `kept` is the conflict copy beside the winner; None when both sides still differ and wait.
    `since` is the time of the run that met it first (ISO 8601, UTC). `base` is the digest of the
    version last agreed on, None where there was none or it is not known.
    """

    project: str
    path: str
    kept: str | None
    winner: Side | None
    run: str
    since: str
    what: str
    base: str | None = None


class Sides(Struct, frozen=True):
    """The versions of a conflict; None where there is none or it is larger than is shown.

    `base` is the version last agreed on, when it is still kept. `names` say what each one is.
    """

    conflict: OpenConflict
    local: bytes | None
    remote: bytes | None
    base: bytes | None
    names: Mapping[Side, str]


class ProjectStatus(Struct, frozen=True):
    """A project as last seen; nothing is looked at anew.

    `placement` is None for a project that the state knows and no manifest declares. `result` is the
    status word of the last run, None when there was none. `converged` is the time of the last run
    that left it in sync. `elsewhere` says why a declared project is not for this machine.
    """

    project: str
    placement: Placement | None
    key: str | None
    local: str | None
    remote: str | None
    mode: str | None
    last_run: str | None
    last_time: str | None
    result: str | None
    converged: str | None
    files: int
    bytes: int
    conflicts: int
    message: str | None = None
    elsewhere: str | None = None


class Difference(Struct, frozen=True):
    """A path whose content differs between the sides.

    `then` is what the next apply does about it, in words; what it does not do by its mode included.
    """

    path: str
    what: str  # "only local", "only remote", "differs", "unreadable: ..."
    then: str = ""


class ProjectCheck(Struct, frozen=True):
    """The result of comparing both sides of a project by content.

    `compared` counts files read on both sides.
    """

    project: str
    compared: int
    files: int
    bytes: int
    differences: tuple[Difference, ...]
    problems: tuple[Problem, ...] = ()
    failure: str | None = None
    hint: str | None = None
    exit: int = 0


class Listed(Struct, frozen=True):
    """One entry of a listing.

    `mtime_ns` and `content` are None where the side does not tell them for free.
    """

    path: str
    size: int
    mtime_ns: int | None = None
    content: str | None = None
    is_dir: bool = False


class Listing(Struct, frozen=True):
    """What lies on one side of a project, filtered."""

    project: str
    side: Side
    root: str
    entries: tuple[Listed, ...]
    problems: tuple[Problem, ...] = ()


class ResetReport(Struct, frozen=True):
    """What `reset` forgot and what the next run will do.

    `files` counts forgotten baseline rows.
    """

    project: str
    known: bool
    files: int
    next_run: str


class Health(StrEnum):
    """How a doctor's finding is meant."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


class Finding(Struct, frozen=True):
    """One line of `doctor`."""

    subject: str
    health: Health
    what: str
    hint: str | None = None


class LastAction(Struct, frozen=True):
    """What a run did last to a path: the kind of its action, on which side, how it ended, when."""

    run: str
    time: str
    kind: str
    side: Side | None
    outcome: str


class Why(Struct, frozen=True):
    """Why a path is synced or not.

    `origin` and `pattern` are those of the rule that decided, if one did. `local` and `remote` say
    whether something of this name stands there, None where nobody looked; `agreed` whether both
    sides agreed on it. `then` is what the next apply does about it by its mode, as far as that can
    be said of a single path.
    """

    project: str
    path: str
    excluded: bool
    what: str
    pattern: str | None = None
    origin: Origin | None = None
    local: bool | None = None
    remote: bool | None = None
    agreed: bool = False
    then: str = ""
    last: LastAction | None = None


class Applied(Struct, frozen=True):
    """What `apply` did. `run` is None when the plan was not confirmed.

    `notice` is a sentence about the state when some of it was damaged and started anew, and about
    figures that could not be written. `trouble` is why a hook of the whole run failed at its end.
    `held` is why projects are missing in the plan that was not confirmed: other runs hold them.
    `warnings` are what the run left alone on purpose and who reads its end should know, by project.
    """

    plan: Plan
    run: Run | None
    notice: str | None = None
    trouble: str | None = None
    held: tuple[LockedError, ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()

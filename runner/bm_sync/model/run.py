"""What a run did: the record that `history` shows, and the events a watcher sees meanwhile.

Times are ISO 8601 in UTC with a `Z`; durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType

from msgspec import Struct

from bm_sync.model.plan import Clash, Guard, Stop, Totals
from bm_sync.model.tree import Problem, Side


class Outcome(StrEnum):
    """How an action ended."""

    DONE = "done"
    DROPPED = "dropped"  # the target was no longer what the plan saw; the next run decides again
    FAILED = "failed"
    NOT_REACHED = "not-reached"  # interrupted, or the batch ended before it


class Done(Struct, frozen=True):
    """One action with its outcome.

    `kept` is where the replaced or deleted version is now (a path or remote path).
    """

    kind: str
    path: str
    side: Side | None
    size: int
    reason: str
    outcome: Outcome
    detail: str | None = None
    kept: str | None = None


class Meaning(Struct, frozen=True):
    """What a status means to others.

    `words` say it of one project, `counted` of several (`3 failed`). `good`: both sides hold what
    is declared. `needs_person`: it goes on only when somebody decides. `bad`: what should have been
    done was not. `idle`: it was not even looked at, which is nobody's failure. `again`: running it
    again may be all that it needs. `mild`: not to be shouted.
    """

    words: str
    counted: str
    good: bool = False
    needs_person: bool = False
    bad: bool = False
    idle: bool = False
    again: bool = False
    mild: bool = False


class Status(StrEnum):
    """How a project ended; `MEANINGS` says what that means to others."""

    IN_SYNC = "in-sync"  # converged; nothing had to move
    CHANGED = "changed"  # converged by moving something
    WAITING = "waiting"  # converged but for conflicts that wait for a person
    PARTIAL = "partial"  # some paths have problems or were dropped; all others converged
    STOPPED = "stopped"  # a guard refused the plan; nothing was touched
    SIDE_MISSING = "side-missing"  # a side is missing or empty; nothing was touched
    FAILED = "failed"
    LOCKED = "locked"
    SKIPPED = "skipped"  # a condition does not hold; nothing was looked at
    REFUSED = "refused"  # a hook that runs before it failed; nothing was looked at
    INTERRUPTED = "interrupted"

    @property
    def means(self) -> Meaning:
        """Return what it means to others."""
        return MEANINGS[self]

    @property
    def good(self) -> bool:
        """Return whether both sides hold what the manifest declares."""
        return self.means.good

    @property
    def needs_person(self) -> bool:
        """Return whether the project goes on only when somebody decides."""
        return self.means.needs_person

    @property
    def bad(self) -> bool:
        """Return whether something that should have been done was not."""
        return self.means.bad

    @property
    def quiet(self) -> bool:
        """Return whether nothing was done and nothing has to be said."""
        return self in {Status.IN_SYNC, Status.SKIPPED}

    @property
    def idle(self) -> bool:
        """Return whether the project was not even looked at, which is nobody's failure."""
        return self.means.idle


MEANINGS: Mapping[Status, Meaning] = MappingProxyType(
    {
        Status.IN_SYNC: Meaning("in sync", "in sync", good=True, mild=True),
        Status.CHANGED: Meaning("synced", "in sync", good=True, mild=True),
        Status.WAITING: Meaning("waits for you", "waiting for you", needs_person=True, mild=True),
        Status.PARTIAL: Meaning(
            "synced in part", "synced in part", bad=True, again=True, mild=True
        ),
        Status.STOPPED: Meaning("stopped", "stopped", needs_person=True),
        Status.SIDE_MISSING: Meaning(
            "side missing", "with a missing or empty side", needs_person=True
        ),
        Status.FAILED: Meaning("failed", "failed", bad=True, again=True),
        Status.LOCKED: Meaning("locked", "locked", idle=True, again=True),
        Status.SKIPPED: Meaning("skipped", "skipped", idle=True, mild=True),
        Status.REFUSED: Meaning("refused", "refused by a hook", bad=True, again=True),
        Status.INTERRUPTED: Meaning("interrupted", "interrupted", again=True),
    }
)
"""What each status means; the one place where that is said, in the order that sums are told."""


def stopped_status(stops: Sequence[Stop]) -> Status:
    """Return how a project ends that guards refuse: a missing side is a result of its own."""
    guards = {stop.guard for stop in stops}
    missing = Guard.EMPTY_SIDE in guards and Guard.ROOT not in guards
    return Status.SIDE_MISSING if missing else Status.STOPPED


class ProjectRun(Struct, frozen=True):
    """What a run did to one project.

    `totals` count what was done, not what was planned.
    """

    project: str
    key: str
    status: Status
    started: str
    seconds: float
    totals: Totals = Totals()
    actions: tuple[Done, ...] = ()
    clashes: tuple[Clash, ...] = ()
    problems: tuple[Problem, ...] = ()
    stops: tuple[Stop, ...] = ()
    retries: int = 0
    message: str | None = None
    hint: str | None = None
    exit: int = 0
    files: int = 0
    bytes: int = 0

    @property
    def fine(self) -> bool:
        """Return whether the project is in sync and nothing around it failed."""
        return self.status.good and not self.exit

    @property
    def failed(self) -> bool:
        """Return whether it failed, a hook after it included."""
        return self.status.bad or (self.status.good and bool(self.exit))

    @property
    def reason(self) -> str:
        """Return why the project is not in sync, in one sentence."""
        if self.message or self.stops:
            return self.message or self.stops[0].what
        missed = sum(1 for done in self.actions if done.outcome is not Outcome.DONE)
        if self.status is Status.WAITING:
            number, what = len(self.clashes) + len(self.problems), "for a person"
            return f"1 path waits {what}" if number == 1 else f"{number} paths wait {what}"
        number = len(self.problems) + missed
        return f"{'1 path' if number == 1 else f'{number} paths'} could not be synced"

    @property
    def moved(self) -> bool:
        """Return whether anything was moved, removed or made."""
        return any(done.outcome is Outcome.DONE for done in self.actions)


class Run(Struct, frozen=True):
    """One run.

    `id` sorts by time (`20261122T071500Z-3f9a61c05e`).
    """

    id: str
    command: str
    started: str
    ended: str
    host: str
    manifest: str
    plan_digest: str
    exit: int
    projects: tuple[ProjectRun, ...]
    log: str | None = None


class ProjectStarted(Struct, frozen=True):
    """A project's actions begin; `files` are to be copied, `bytes` in all."""

    project: str
    files: int
    bytes: int


class Transferring(Struct, frozen=True):
    """Bytes moved so far in the current batch of a project (cumulative over the project)."""

    project: str
    files: int
    bytes: int
    rate: float


class ActionEnded(Struct, frozen=True):
    """One action ended."""

    project: str
    done: Done


class Retrying(Struct, frozen=True):
    """A batch is tried again."""

    project: str
    attempt: int
    attempts: int
    wait_s: float
    cause: str


class Waiting(Struct, frozen=True):
    """A project waits until another run has ended; `cause` says which."""

    project: str
    cause: str


class ProjectEnded(Struct, frozen=True):
    """A project ended."""

    run: ProjectRun


Event = ProjectStarted | Transferring | ActionEnded | Retrying | Waiting | ProjectEnded

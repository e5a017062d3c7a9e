"""How the machines of a team tell each other how they stand: where, and what each one says.

Times are ISO 8601 in UTC with a `Z`.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from bm_sync.model.config import Remote
from bm_sync.model.origin import Origin


class Fleet(Struct, frozen=True):
    """The place where every machine leaves how it stands; `path` is below the remote's root."""

    remote: Remote
    path: str
    origin: Origin

    @property
    def label(self) -> str:
        """Return the place as the manifest says it: `shelf:team/fleet`."""
        return f"{self.remote.name}:{self.path}"


class FleetProject(Struct, frozen=True):
    """A project of another machine as it was after that machine's last run.

    `result` is the status word of its last run, None when it never ran; `converged` the time of the
    last run that left it in sync.
    """

    name: str
    result: str | None
    last_run: str | None
    converged: str | None
    files: int
    bytes: int
    conflicts: int


class FleetNote(Struct, frozen=True):
    """What a machine says of itself after a run.

    `id` tells it from others of its name. `exit` is that of the run, `next` when its timer comes
    next by the manifest, None without a schedule. `manifest` is the digest of what a team shares of
    it. `unsaid` counts projects that the note had no room for.
    """

    host: str
    id: str
    bm_sync: str
    manifest: str
    run: str
    ended: str
    exit: int
    next: str | None
    projects: tuple[FleetProject, ...]
    unsaid: int = 0


class Standing(StrEnum):
    """How a machine stands, the worst first."""

    UNREADABLE = "unreadable"  # what it left is no note
    FAILING = "failing"  # its last run did not end well
    LATE = "late"  # it ran, but too long ago
    AHEAD = "ahead"  # its clock is ahead of ours, so nothing can be said of its age
    FINE = "fine"


class FleetHost(Struct, frozen=True):
    """A machine as it is found in the fleet's place.

    `file` is the name of its note there, which is None when it cannot be read; `why` then says so.
    `same_manifest` compares what is shared of its manifest with ours.
    """

    file: str
    standing: Standing
    note: FleetNote | None = None
    same_manifest: bool | None = None
    why: str | None = None


class FleetReport(Struct, frozen=True):
    """All machines, the worst first; `unread` counts the notes above the most that are read."""

    place: str
    hosts: tuple[FleetHost, ...]
    unread: int = 0

"""Who holds a project: the run of this machine with its lock, the run of any with its lease."""

from __future__ import annotations

from msgspec import Struct


class LockHolder(Struct, frozen=True):
    """The run of this machine that holds a project; `since` is ISO 8601 in UTC."""

    pid: int
    host: str
    since: str
    command: str


class LeaseHolder(Struct, frozen=True):
    """The run that left a lease on a remote; its names are None when nobody can read them.

    `dead`: it is of a run of this machine that was killed, or was not renewed for as long as it
    holds. `left_s` is how long it still holds unless it is renewed.
    """

    place: str
    run: str | None
    host: str | None
    pid: int | None
    since: str | None
    dead: bool
    left_s: float


class Holding(Struct, frozen=True):
    """Who holds one project.

    `removed`: the lease of a dead run was taken away. `failure` is set when the remote could not
    be asked.
    """

    project: str
    lock: LockHolder | None = None
    lease: LeaseHolder | None = None
    removed: bool = False
    failure: str | None = None
    hint: str | None = None
    exit: int = 0

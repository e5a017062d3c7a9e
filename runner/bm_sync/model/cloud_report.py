"""What the commands about the cloud return: login, logout, status, projects, rm, repin."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bm_sync.model.cloud import CloudProject, Workspace
from bm_sync.model.report import ResetReport


class CloudProblem(Struct, frozen=True):
    """Something that is not as it should be; `exit` is the code it calls for."""

    what: str
    hint: str | None
    exit: int


class SignInReport(Struct, frozen=True):
    """A sign-in that was kept.

    `shadowed` names a credential that counts before it. `note` is about a service that is not ready
    yet, `trouble` about a subscription.
    """

    host: str
    how: Literal["login", "api-key"]
    kept: str
    shadowed: str | None = None
    note: str | None = None
    trouble: CloudProblem | None = None


class SignOutReport(Struct, frozen=True):
    """What `logout` removed.

    `keys` counts pairs of storage keys. `remains` says what still signs in there, and `ending` how
    that is ended.
    """

    host: str
    removed: bool
    keys: int
    remains: str | None = None
    ending: str | None = None


class RemoteLine(Struct, frozen=True):
    """A cloud remote of the manifest: the workspace it means, the bucket of that one."""

    name: str
    workspace: str | None
    tenant_id: str | None = None
    bucket: str | None = None
    pinned: bool = False


class CloudStatus(Struct, frozen=True):
    """How things stand at one service.

    `how` and `source` say as what we are signed in; `made` and `expires` are ISO 8601 in UTC, None
    where that is not known or does not end. `renewable` says whether the token renews itself.
    """

    host: str
    how: Literal["api-key", "login", "basic-memory", "none"]
    source: str
    account: str
    made: str | None
    expires: str | None
    renewable: bool
    service: Literal["healthy", "down", "unknown"]
    version: str | None
    subscription: Literal["active", "lapsed", "unknown"]
    workspaces: tuple[Workspace, ...] = ()
    remotes: tuple[RemoteLine, ...] = ()
    troubles: tuple[CloudProblem, ...] = ()


class ProjectLine(Struct, frozen=True):
    """A project on the cloud, or one that is declared and not there (`project` is then None).

    `declared` are the manifest's projects that mean it.
    """

    remote: str | None
    name: str
    project: CloudProject | None
    declared: tuple[str, ...]


class RemovalReport(Struct, frozen=True):
    """A deletion that the service took on: `status` is its word for how far that is."""

    host: str
    project: CloudProject
    status: str
    declared: tuple[str, ...]


class RepinReport(Struct, frozen=True):
    """What `cloud repin` forgot: the pin, if there was one, and the baselines of the projects."""

    remote: str
    tenant_id: str | None
    bucket: str | None
    projects: tuple[ResetReport, ...]

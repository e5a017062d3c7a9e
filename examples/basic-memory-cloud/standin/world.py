"""What the service knows: accounts, workspaces, projects, tokens, keys, and its switches.

All of it is plain data in one JSON file, so that a stand-in that is started again goes on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import secrets
import threading
import time
import unicodedata
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_NAMESPACE = uuid.UUID("5f0c1c0e-2d0f-4c8e-9f3a-6f4f1d8f2a11")
RANKS = {"viewer": 1, "editor": 2, "admin": 3, "owner": 4}


@dataclass
class Switches:
    """How the service behaves where services differ, or where the contract is not known.

    `refused` holds WebDAV methods that are answered with a status instead, such as DELETE: 405.
    `etags` is md5, multipart, weak, opaque or none. `mount_prefix` stands before project paths.
    `auto_approve` is an account's name, or "" when a person has to approve.
    """

    auto_approve: str = ""
    interval_s: int = 5
    code_expires_s: int = 300
    access_token_s: int = 3600
    refresh_grace_s: float = 30.0
    refresh_tells_token: bool = True
    login_tells_refresh_token: bool = True
    subscription_shape: str = "nested"
    mount_prefix: str = "/app/data/"
    one_key_per_workspace: bool = False
    deletion_s: float = 0.1
    refused: dict[str, int] = field(default_factory=dict)
    infinite_depth: bool = True
    infinite_depth_limit: int = 0
    etags: str = "md5"
    honours_if_match: bool = True
    honours_if_none_match: bool = True
    honours_mtime: bool = False
    put_makes_folders: bool = True
    storage_conditions: bool = True
    storage_signatures: bool = True


@dataclass
class Project:
    """A project; `path` is its prefix in the bucket; `rights` overrules the workspace's roles."""

    id: int
    external_id: str
    name: str
    path: str
    is_default: bool = False
    private: bool = False
    rights: dict[str, str] = field(default_factory=dict)


@dataclass
class Workspace:
    """A tenant: its bucket, its members by account with their role, and its projects."""

    tenant_id: str
    slug: str
    name: str
    kind: str
    bucket: str
    members: dict[str, str]
    subscribed: bool = True
    projects: list[Project] = field(default_factory=list)

    def project(self, identifier: str) -> Project | None:
        """Return the project of that name, permalink, path or id."""
        wanted = permalink(identifier)
        for project in self.projects:
            if identifier in {project.external_id, project.name, project.path}:
                return project
        return next((p for p in self.projects if permalink(p.name) == wanted), None)


@dataclass
class DeviceCode:
    """A sign-in under way; `state` is pending, approved, denied, expired or used."""

    device_code: str
    user_code: str
    client_id: str
    challenge: str
    expires_at: float
    state: str = "pending"
    account: str = ""
    slow_downs: int = 0
    polls: int = 0


@dataclass
class AccessToken:
    """A token for the service's calls."""

    token: str
    account: str
    expires_at: float


@dataclass
class RefreshToken:
    """A refresh token; a retired one names the answer that it may give again for a while."""

    token: str
    account: str
    client_id: str
    retired_at: float | None = None
    answered: dict[str, Any] = field(default_factory=dict)


@dataclass
class ApiKey:
    """A key; `tenant_id` binds it to a workspace, "" means every workspace of the account."""

    key: str
    name: str
    account: str
    tenant_id: str = ""


@dataclass
class StorageKey:
    """A pair of S3 keys for the whole bucket of a workspace."""

    access_key: str
    secret_key: str
    tenant_id: str


@dataclass
class Snapshot:
    """A copy of a bucket at one time."""

    id: str
    tenant_id: str
    description: str
    created_at: str


@dataclass
class State:
    """Everything that is kept."""

    switches: Switches = field(default_factory=Switches)
    defaults: dict[str, str] = field(default_factory=dict)
    lapsed: bool = False
    workspaces: list[Workspace] = field(default_factory=list)
    codes: list[DeviceCode] = field(default_factory=list)
    access: list[AccessToken] = field(default_factory=list)
    refresh: list[RefreshToken] = field(default_factory=list)
    api_keys: list[ApiKey] = field(default_factory=list)
    storage_keys: list[StorageKey] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    shares: list[dict[str, Any]] = field(default_factory=list)
    last_id: int = 0


_ROWS: dict[str, type] = {
    "codes": DeviceCode,
    "access": AccessToken,
    "refresh": RefreshToken,
    "api_keys": ApiKey,
    "storage_keys": StorageKey,
    "snapshots": Snapshot,
}


class World:
    """The state, its lock and its file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.buckets = folder / "buckets"
        self.lock = threading.RLock()
        self._file = folder / "standin.json"
        self.state = _read(self._file) if self._file.exists() else first_state()
        for workspace in self.state.workspaces:
            (self.buckets / workspace.bucket).mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def changing(self) -> Iterator[State]:
        """Hold the lock, and write the state down when the block ends well."""
        with self.lock:
            yield self.state
            text = json.dumps(dataclasses.asdict(self.state), indent=1)
            new = self._file.with_suffix(".new")
            new.touch(mode=0o600)
            new.write_text(text, "utf-8")
            new.replace(self._file)

    def workspace(self, said: str) -> Workspace | None:
        """Return the workspace of that id or slug."""
        found = (w for w in self.state.workspaces if said in {w.tenant_id, w.slug})
        return next(found, None)

    def default_of(self, account: str) -> Workspace | None:
        """Return where a request of an account goes that names no workspace."""
        return self.workspace(self.state.defaults.get(account, ""))

    def next_id(self) -> int:
        """Return a number that no project has had."""
        self.state.last_id += 1
        return self.state.last_id


def first_state() -> State:
    """Return two people, one workspace of each, and three that they share."""
    state = State(defaults={"ada": "ada", "grace": "grace"})
    state.workspaces = [
        new_workspace("ada", "Ada's notes", "personal", {"ada": "owner"}),
        new_workspace("grace", "Grace's notes", "personal", {"grace": "owner"}),
        new_workspace("team", "The team", "organization", {"grace": "owner", "ada": "editor"}),
        new_workspace(
            "library", "The library", "organization", {"grace": "owner", "ada": "viewer"}
        ),
        new_workspace("studio", "The studio", "organization", {"ada": "owner", "grace": "editor"}),
    ]
    return state


def new_workspace(slug: str, name: str, kind: str, members: dict[str, str]) -> Workspace:
    """Return a workspace whose id and bucket follow from its slug, the same each time."""
    tenant = uuid.uuid5(_NAMESPACE, slug)
    bucket = f"production-basic-memory-tenant-{tenant.hex[:8]}"
    return Workspace(str(tenant), slug, name, kind, bucket, members)


def permalink(name: str) -> str:
    """Return a name in small letters with hyphens, as projects are told apart by it."""
    flat = unicodedata.normalize("NFKD", name)
    flat = "".join(sign for sign in flat if not unicodedata.combining(sign)).lower()
    return re.sub(r"[^\w]+|_+", "-", flat).strip("-")


def token(prefix: str) -> str:
    """Return a new secret that shows what it is."""
    return prefix + secrets.token_urlsafe(32)


def now() -> float:
    """Return the time as the service tells it."""
    return time.time()


def _read(file: Path) -> State:
    data = json.loads(file.read_text("utf-8"))
    workspaces = [
        Workspace(**{**w, "projects": [Project(**p) for p in w["projects"]]})
        for w in data["workspaces"]
    ]
    rows = {name: [kind(**row) for row in data[name]] for name, kind in _ROWS.items()}
    known = {"workspaces": workspaces, "switches": Switches(**data["switches"]), **rows}
    return State(**{**data, **known})

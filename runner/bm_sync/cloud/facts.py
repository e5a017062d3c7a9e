"""What is remembered of a workspace, so that a quiet run asks the service nothing.

One private file for each remote under `<state directory>/cloud/`, replaced in one step. It holds
the keys of the bucket. It is no more than a memory: a damaged one is as good as none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, Protocol

from msgspec import Struct, field
from msgspec.structs import asdict

from bm_sync import access
from bm_sync.cloud import keeping
from bm_sync.cloud.tokens import Keys
from bm_sync.model.cloud import CloudProject
from bm_sync.secret import Secret
from bm_sync.structs import replace

VERSION = 1


class RemoteIdentity(Protocol):
    """What tells one remote from another: the service as declared, and the workspace there."""

    @property
    def host(self) -> str | None:
        """Return the declared address, None for the usual one."""

    @property
    def workspace(self) -> str | None:
        """Return the declared slug, name or id, None for the account's default."""


class Facts(Struct, frozen=True):
    """What is known of one remote.

    `host` is the address that was asked, `workspace` what was declared, `account` the fingerprint
    that asked. `tenant_id` and `bucket` are the pin: an answer that differs is a stop. `dav` holds
    what was found out about the workspace's WebDAV, each a name and yes or no. `ids` are the
    service's own ids of projects, by the permalink of the name that the manifest has for them.
    `looked_at` is when the service last told the bucket, in unix seconds.
    """

    host: str
    workspace: str | None
    account: str
    tenant_id: str
    bucket: str
    workspace_type: str = "personal"
    slug: str = ""
    role: str = ""
    transport: Literal["s3", "webdav"] | None = None
    keys: Keys | None = None
    projects: tuple[CloudProject, ...] = ()
    dav: Mapping[str, bool] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    looked_at: float = 0.0


class Page(Struct, frozen=True):
    """The facts of one remote while their lock is held."""

    file: Path

    def read(self) -> Facts | None:
        """Return what is remembered."""
        return _read(self.file)

    def write(self, facts: Facts) -> None:
        """Remember."""
        keeping.replace(self.file, json.dumps(_to_json(facts), indent=1).encode())


def read(state_dir: Path, remote: RemoteIdentity) -> Facts | None:
    """Return what is remembered of a remote; None when that is nothing or damaged."""
    return _read(_file(state_dir, remote))


def write(state_dir: Path, remote: RemoteIdentity, facts: Facts) -> None:
    """Remember what is known of a remote; raises StateError."""
    file = _file(state_dir, remote)
    with keeping.locked_now(_lock(file)):
        Page(file).write(facts)


def forget(state_dir: Path, remote: RemoteIdentity) -> bool:
    """Forget what is known of a remote; return whether there was anything."""
    file = _file(state_dir, remote)
    if access.standing(file) is None:
        return False
    with keeping.locked_now(_lock(file)):
        return keeping.remove(file)


@asynccontextmanager
async def held(state_dir: Path, remote: RemoteIdentity) -> AsyncIterator[Page]:
    """Hold the facts of a remote: read again, ask the service, write.

    Who mints keys does it inside, so that two processes at once mint one pair.
    """
    file = _file(state_dir, remote)
    async with keeping.locked(_lock(file)):
        yield Page(file)


def drop_keys(state_dir: Path, host: str) -> int:
    """Forget the keys of every bucket of a service, keep the pins; return how many there were."""
    dropped = 0
    for file in sorted((state_dir / "cloud").glob("facts-*.json")):
        with keeping.locked_now(_lock(file)):
            facts = _read(file)
            if facts is not None and facts.host == host and facts.keys is not None:
                Page(file).write(replace(facts, keys=None))
                dropped += 1
    return dropped


def _file(state_dir: Path, remote: RemoteIdentity) -> Path:
    text = json.dumps([remote.host, remote.workspace])
    name = hashlib.sha256(text.encode()).hexdigest()[:24]
    return state_dir / "cloud" / f"facts-{name}.json"


def _lock(file: Path) -> Path:
    return file.with_suffix(".lock")


def _read(file: Path) -> Facts | None:
    try:
        data = keeping.read(file)
        return None if data is None else _from_json(json.loads(data))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _to_json(facts: Facts) -> dict[str, object]:
    keys = facts.keys
    return {
        "version": VERSION,
        "host": facts.host,
        "workspace": facts.workspace,
        "account": facts.account,
        "tenant_id": facts.tenant_id,
        "bucket": facts.bucket,
        "workspace_type": facts.workspace_type,
        "slug": facts.slug,
        "role": facts.role,
        "transport": facts.transport,
        "keys": [keys.access_key, keys.secret_key.reveal()] if keys else None,
        "projects": [asdict(project) for project in facts.projects],
        "dav": dict(facts.dav),
        "ids": dict(facts.ids),
        "looked_at": facts.looked_at,
    }


def _from_json(said: Mapping[str, object]) -> Facts:
    """Return the facts of a file; raises ValueError, TypeError or KeyError for a damaged one."""
    if said["version"] != VERSION:
        raise ValueError("another version")
    texts = ("host", "account", "tenant_id", "bucket", "workspace_type", "slug", "role")
    host, account, tenant, bucket, kind, slug, role = (_text(said[key]) for key in texts)
    workspace, transport, dav = said["workspace"], said["transport"], said["dav"]
    if not isinstance(dav, dict) or not all(isinstance(value, bool) for value in dav.values()):
        raise TypeError("dav")
    ids, looked_at = said.get("ids", {}), said.get("looked_at", 0.0)
    if not isinstance(ids, dict) or not isinstance(looked_at, int | float):
        raise TypeError("ids")
    return Facts(
        host=host,
        workspace=None if workspace is None else _text(workspace),
        account=account,
        tenant_id=tenant,
        bucket=bucket,
        workspace_type=kind,
        slug=slug,
        role=role,
        transport=_transport(transport),
        keys=_keys(said["keys"]),
        projects=_projects(said["projects"]),
        dav=dav,
        ids={_text(name): _text(each) for name, each in ids.items()},
        looked_at=float(looked_at),
    )


def _transport(value: object) -> Literal["s3", "webdav"] | None:
    match value:
        case None:
            return None
        case "s3":
            return "s3"
        case "webdav":
            return "webdav"
        case _:
            raise ValueError("transport")


def _keys(value: object) -> Keys | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004 - a pair
        raise TypeError("keys")
    return Keys(_text(value[0]), Secret(_text(value[1])))


def _projects(value: object) -> tuple[CloudProject, ...]:
    if not isinstance(value, list):
        raise TypeError("projects")
    return tuple(
        CloudProject(_text(p["id"]), _text(p["name"]), _text(p["path"]), p["is_default"] is True)
        for p in value
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value

"""What tests and the example may do to the stand-in: `/_standin/...`, JSON in and out.

It has no password: the stand-in listens on loopback and holds nothing worth guarding.
"""

from __future__ import annotations

import base64
import dataclasses
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from standin import control, dav, projects, sign_in
from standin.faults import Fault, Faults, Record
from standin.objects import Objects
from standin.wire import Answer, Refused, Request, as_json, detail
from standin.world import Project, Switches, Workspace, World, new_workspace

Said = Mapping[str, Any]


@dataclass(frozen=True)
class Reach:
    """What the calls act on."""

    world: World
    objects: Objects
    faults: Faults
    record: Record
    urls: dict[str, str]


def serve(reach: Reach, request: Request) -> Answer:
    """Answer one call; GET reads, POST acts."""
    name = request.path.removeprefix("/_standin/")
    act = (_READS if request.method == "GET" else _ACTS).get(name)
    if act is None:
        known = ", ".join(sorted({*_READS, *_ACTS}))
        return detail(404, f"There is no '{name}'; there are {known}")
    said = request.query if request.method == "GET" else request.json()
    try:
        return as_json(200, act(reach, said))
    except (KeyError, TypeError, ValueError) as e:
        return detail(400, f"{type(e).__name__}: {e}")


def _status(reach: Reach, _: Said) -> object:
    with reach.world.lock:
        state = reach.world.state
        return {
            **reach.urls,
            "switches": asdict(state.switches),
            "lapsed": state.lapsed,
            "defaults": state.defaults,
            "workspaces": [asdict(workspace) for workspace in state.workspaces],
            "storage_keys": [{"tenant_id": k.tenant_id} for k in state.storage_keys],
            "faults": reach.faults.waiting(),
        }


def _codes(reach: Reach, _: Said) -> object:
    shown = ("user_code", "client_id", "state", "account", "polls", "slow_downs")
    return [{name: getattr(c, name) for name in shown} for c in reach.world.state.codes]


def _decided(verdict: str) -> Callable[[Reach, Said], object]:
    def decide(reach: Reach, said: Said) -> object:
        account = str(said.get("account", "ada"))
        code = sign_in.decide(reach.world, said.get("user_code", ""), verdict, account)
        return {"decided": code.user_code if code else None}

    return decide


def _slow_down(reach: Reach, said: Said) -> object:
    with reach.world.changing() as state:
        state.codes[-1].slow_downs = int(said.get("times", 1))
    return {}


def _expire_tokens(reach: Reach, said: Said) -> object:
    with reach.world.changing() as state:
        for held in state.access:
            if said.get("account") in {None, held.account}:
                held.expires_at = 0
    return {}


def _revoke_refresh(reach: Reach, said: Said) -> object:
    with reach.world.changing() as state:
        kept = [r for r in state.refresh if said.get("account") not in {None, r.account}]
        state.refresh = kept
    return {}


def _api_key(reach: Reach, said: Said) -> object:
    bound = _workspace(reach, said).tenant_id if "workspace" in said else ""
    account, name = str(said.get("account", "ada")), str(said.get("name", "tests"))
    return {"key": control.new_api_key(reach.world, account, name, bound)}


def _revoke_api_keys(reach: Reach, _: Said) -> object:
    with reach.world.changing() as state:
        state.api_keys.clear()
    return {}


def _revoke_storage_keys(reach: Reach, said: Said) -> object:
    tenant = _workspace(reach, said).tenant_id if "workspace" in said else None
    with reach.world.changing() as state:
        kept = [k for k in state.storage_keys if tenant not in {None, k.tenant_id}]
        state.storage_keys = kept
    return {}


def _subscription(reach: Reach, said: Said) -> object:
    with reach.world.changing() as state:
        state.switches.subscription_shape = said.get("shape", state.switches.subscription_shape)
        if "workspace" in said:
            _workspace(reach, said).subscribed = bool(said["active"])
        else:
            state.lapsed = not said["active"]
    return {}


def _add_workspace(reach: Reach, said: Said) -> object:
    made = new_workspace(said["slug"], said["name"], said["kind"], dict(said["members"]))
    with reach.world.changing() as state:
        (reach.world.buckets / made.bucket).mkdir(parents=True, exist_ok=True)
        state.workspaces.append(made)
    return asdict(made)


def _change_workspace(reach: Reach, said: Said) -> object:
    """Change the bucket (files stay where they are), slug, name, id or a member's role."""
    workspace = _workspace(reach, said)
    with reach.world.changing() as state:
        for name in ("bucket", "name", "slug", "tenant_id", "kind"):
            if name in said:
                setattr(workspace, name, str(said[name]))
        for account, role in said.get("members", {}).items():
            workspace.members.pop(account, None)
            if role:
                workspace.members[account] = role
        if "default_of" in said:
            state.defaults[said["default_of"]] = workspace.slug
        (reach.world.buckets / workspace.bucket).mkdir(parents=True, exist_ok=True)
    return asdict(workspace)


def _add_project(reach: Reach, said: Said) -> object:
    workspace = _workspace(reach, said)
    with reach.world.changing():
        project = projects.add(reach.world, workspace, said["name"])
        project.path = said.get("path", project.path)
        project.private = bool(said.get("private", False))
        project.rights = dict(said.get("rights", {}))
    return asdict(project)


def _change_project(reach: Reach, said: Said) -> object:
    project = _project(reach, said)
    with reach.world.changing():
        project.name = str(said.get("renamed", project.name))
        for name in ("path", "private", "rights"):
            if name in said:
                setattr(project, name, said[name])
    return asdict(project)


def _drop_project(reach: Reach, said: Said) -> object:
    workspace, project = _workspace(reach, said), _project(reach, said)
    with reach.world.changing():
        workspace.projects.remove(project)
    if said.get("files"):
        dav.delete_below(reach.objects, workspace.bucket, project.path)
    return {}


def _switch(reach: Reach, said: Said) -> object:
    names = {field.name for field in dataclasses.fields(Switches)}
    if unknown := set(said) - names:
        raise ValueError(f"no such switch: {', '.join(sorted(unknown))}")
    with reach.world.changing() as state:
        for name, value in said.items():
            setattr(state.switches, name, value)
        return asdict(state.switches)


def _fault(reach: Reach, said: Said) -> object:
    reach.faults.add(Fault(**said))
    return {}


def _clear_faults(reach: Reach, _: Said) -> object:
    reach.faults.clear()
    return {}


def _release(reach: Reach, _: Said) -> object:
    reach.faults.release()
    return {}


def _log(reach: Reach, _: Said) -> object:
    return reach.record.entries()


def _counts(reach: Reach, _: Said) -> object:
    return reach.record.counts()


def _reset_counts(reach: Reach, _: Said) -> object:
    reach.record.reset()
    return {}


def _put_file(reach: Reach, said: Said) -> object:
    """Write a file as another device would; `key` begins with the project's path.

    `content` is base64, `text` is the text itself.
    """
    bucket = _workspace(reach, said).bucket
    content = said["text"].encode() if "text" in said else base64.b64decode(said["content"])
    with tempfile.NamedTemporaryFile() as spool, reach.objects.alone(bucket, said["key"]):
        Path(spool.name).write_bytes(content)
        reach.objects.put(bucket, said["key"], Path(spool.name), said.get("mtime_s"))
    return {}


def _delete_file(reach: Reach, said: Said) -> object:
    bucket = _workspace(reach, said).bucket
    with reach.objects.alone(bucket, said["key"]):
        reach.objects.delete(bucket, said["key"])
    return {}


def _files(reach: Reach, said: Said) -> object:
    bucket = _workspace(reach, said).bucket
    found = reach.objects.below(bucket, said.get("prefix", ""))
    return {stored.key: stored.md5 for stored in found}


def _workspace(reach: Reach, said: Said) -> Workspace:
    found = reach.world.workspace(str(said.get("workspace", "ada")))
    if found is None:
        raise Refused(detail(404, f"There is no workspace '{said.get('workspace')}'"))
    return found


def _project(reach: Reach, said: Said) -> Project:
    found = _workspace(reach, said).project(str(said["name"]))
    if found is None:
        raise Refused(detail(404, f"There is no project '{said['name']}'"))
    return found


_READS: dict[str, Callable[[Reach, Said], object]] = {
    "status": _status,
    "codes": _codes,
    "log": _log,
    "counts": _counts,
    "files": _files,
}
_ACTS: dict[str, Callable[[Reach, Said], object]] = {
    "approve": _decided("approved"),
    "deny": _decided("denied"),
    "expire": _decided("expired"),
    "slow-down": _slow_down,
    "expire-tokens": _expire_tokens,
    "revoke-refresh": _revoke_refresh,
    "api-key": _api_key,
    "revoke-api-keys": _revoke_api_keys,
    "revoke-storage-keys": _revoke_storage_keys,
    "subscription": _subscription,
    "add-workspace": _add_workspace,
    "change-workspace": _change_workspace,
    "add-project": _add_project,
    "change-project": _change_project,
    "drop-project": _drop_project,
    "switch": _switch,
    "fault": _fault,
    "clear-faults": _clear_faults,
    "release": _release,
    "reset-counts": _reset_counts,
    "put-file": _put_file,
    "delete-file": _delete_file,
}

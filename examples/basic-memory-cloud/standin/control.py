"""The control plane besides projects: health, workspaces, API keys, storage keys."""

from __future__ import annotations

from standin.callers import Caller, role_in, workspace_of
from standin.wire import Answer, Refused, Request, as_json, detail, invalid
from standin.world import ApiKey, StorageKey, Workspace, World, token


def health(world: World, request: Request, caller: Caller) -> Answer:
    """Tell that the service is there."""
    workspace_of(world, request, caller)
    return as_json(200, {"status": "healthy", "version": "standin"})


def workspaces(world: World, request: Request, caller: Caller) -> Answer:
    """List the workspaces of the account."""
    with world.lock:
        default = world.default_of(caller.account)
        mine = [w for w in world.state.workspaces if caller.account in w.members]
        if caller.tenant_id:
            mine = [w for w in mine if w.tenant_id == caller.tenant_id]
        current = request.headers.get("X-Workspace-ID")
        return as_json(
            200,
            {
                "workspaces": [_told(w, caller, is_default=w is default) for w in mine],
                "count": len(mine),
                "default_workspace_id": default.tenant_id if default else None,
                "current_workspace_id": current or (default.tenant_id if default else None),
            },
        )


def _told(workspace: Workspace, caller: Caller, *, is_default: bool) -> dict[str, object]:
    organization = None if workspace.kind == "personal" else f"org_{workspace.slug}"
    return {
        "tenant_id": workspace.tenant_id,
        "workspace_type": workspace.kind,
        "slug": workspace.slug,
        "name": workspace.name,
        "role": role_in(workspace, caller),
        "is_default": is_default,
        "organization_id": organization,
        "has_active_subscription": workspace.subscribed,
    }


def make_api_key(world: World, request: Request, caller: Caller) -> Answer:
    """Make an API key of the account; a key cannot make keys."""
    if caller.by_key:
        return detail(403, "API keys are made by a person who is signed in")
    name = request.json().get("name")
    if not isinstance(name, str) or not name:
        return invalid("name", "a name is needed", "missing")
    return as_json(201, {"key": new_api_key(world, caller.account, name), "name": name})


def new_api_key(world: World, account: str, name: str, tenant_id: str = "") -> str:
    """Make an API key of an account."""
    with world.changing() as state:
        key = ApiKey(token("bmc_"), name, account, tenant_id)
        state.api_keys.append(key)
        return key.key


def mount_info(world: World, request: Request, caller: Caller) -> Answer:
    """Tell which bucket holds the workspace's files."""
    workspace = workspace_of(world, request, caller)
    return as_json(200, {"tenant_id": workspace.tenant_id, "bucket_name": workspace.bucket})


def mint(world: World, request: Request, caller: Caller) -> Answer:
    """Make a pair of storage keys; only the owner may."""
    workspace = workspace_of(world, request, caller)
    if role_in(workspace, caller) != "owner":
        return detail(403, "Only the owner of a workspace may make storage keys")
    with world.changing() as state:
        if state.switches.one_key_per_workspace:
            others = [k for k in state.storage_keys if k.tenant_id != workspace.tenant_id]
            state.storage_keys = others
        key = StorageKey(token("tid_"), token("tsec_"), workspace.tenant_id)
        state.storage_keys.append(key)
    return as_json(200, {"access_key": key.access_key, "secret_key": key.secret_key})


def index_status(world: World, _: Request, caller: Caller, tenant_id: str) -> Answer:
    """Tell how far the index has come; here it always has."""
    workspace = world.workspace(tenant_id)
    if workspace is None or caller.account not in workspace.members:
        raise Refused(detail(404, "There is no such tenant"))
    projects = [
        {"project_name": p.name, "project_current": True, "reindex_recommended": False}
        for p in workspace.projects
    ]
    told = {"tenant_id": workspace.tenant_id, "fly_app_name": "standin", "projects": projects}
    return as_json(200, told | {"email": f"{caller.account}@example.org", "error": None})

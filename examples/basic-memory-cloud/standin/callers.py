"""Who asks, and for which workspace: bearer tokens, API keys, X-Workspace-ID, the subscription."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from standin.wire import Answer, Refused, Request, as_json, detail
from standin.world import RANKS, Project, Workspace, World, now

_GATE = {
    "error": "subscription_required",
    "message": "Your subscription has ended.",
    "subscribe_url": "https://basicmemory.com/pricing",
}


@dataclass(frozen=True)
class Caller:
    """Whoever proved to be an account; `tenant_id` is what an API key is bound to, or ""."""

    account: str
    by_key: bool
    tenant_id: str = ""


def caller_of(world: World, request: Request) -> Caller:
    """Return who asks; raise Refused (401, or 403 where the account's subscription has ended)."""
    said = request.headers.get("Authorization", "")
    kind, _, credential = said.partition(" ")
    with world.lock:
        caller = _known(world, credential.strip()) if kind.lower() == "bearer" else None
        if caller is None:
            answer = detail(401, "Invalid or expired token")
            headers = (*answer.headers, ("WWW-Authenticate", "Bearer"))
            raise Refused(Answer(401, headers, answer.body))
        if world.state.lapsed:
            raise Refused(gate(world))
    return caller


def _known(world: World, credential: str) -> Caller | None:
    for key in world.state.api_keys:
        if key.key == credential:
            return Caller(key.account, by_key=True, tenant_id=key.tenant_id)
    for held in world.state.access:
        if held.token == credential and now() < held.expires_at:
            return Caller(held.account, by_key=False)
    return None


def workspace_of(world: World, request: Request, caller: Caller) -> Workspace:
    """Return the workspace a call goes to; raise Refused when the account has no part in it.

    Not known: the status for an id that is none, or of nobody's workspace. Both are 403 here.
    """
    said = request.headers.get("X-Workspace-ID")
    with world.lock:
        if said is None:
            said = caller.tenant_id or world.state.defaults.get(caller.account, "")
        found = next((w for w in world.state.workspaces if w.tenant_id == _as_id(said)), None)
        if found is None:
            found = None if request.headers.get("X-Workspace-ID") else world.workspace(said)
        if found is None or caller.account not in found.members:
            raise Refused(detail(403, "You are not a member of this workspace"))
        if caller.tenant_id not in {"", found.tenant_id}:
            raise Refused(detail(403, "This API key belongs to another workspace"))
        if not found.subscribed:
            raise Refused(gate(world))
    return found


def _as_id(said: str) -> str:
    try:
        return str(uuid.UUID(said))
    except ValueError:
        return ""


def gate(world: World) -> Answer:
    """Return the refusal of an ended subscription, in the shape that is switched on."""
    nested = world.state.switches.subscription_shape == "nested"
    return as_json(403, {"detail": _GATE} if nested else _GATE)


def role_in(workspace: Workspace, caller: Caller, project: Project | None = None) -> str:
    """Return what the caller is in the workspace or in one of its projects; "" is nothing."""
    role = workspace.members.get(caller.account, "")
    if project is None:
        return role
    if project.private and role != "owner":
        return project.rights.get(caller.account, "")
    return project.rights.get(caller.account, role)


def need(role: str, least: str) -> None:
    """Raise Refused (403) for a role that is less than `least`."""
    if RANKS.get(role, 0) < RANKS[least]:
        raise Refused(detail(403, f"This needs the role {least}"))

"""Snapshots of the default workspace's bucket, restoring from them, and links to shared notes.

Not known: what a second restore over open files does, and how long a snapshot is kept. Here a
snapshot is a plain copy that stays until it is deleted.
"""

from __future__ import annotations

import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path

from standin.callers import Caller, need, role_in, workspace_of
from standin.objects import Objects
from standin.wire import Answer, Refused, Request, as_json, detail, invalid
from standin.world import Snapshot, Workspace, World, token


def create(world: World, objects: Objects, request: Request, caller: Caller) -> Answer:
    """Copy the bucket."""
    workspace = workspace_of(world, request, caller)
    need(role_in(workspace, caller), "editor")
    described = str(request.json().get("description", ""))
    when = datetime.now(UTC).isoformat()
    made = Snapshot(str(uuid.uuid4()), workspace.tenant_id, described, when)
    shutil.copytree(objects.folder / workspace.bucket, _folder(world, made.id))
    with world.changing() as state:
        state.snapshots.append(made)
    return as_json(201, _told(made, workspace))


def listing(world: World, _: Objects, request: Request, caller: Caller) -> Answer:
    """List the snapshots of the workspace."""
    workspace = workspace_of(world, request, caller)
    mine = [s for s in world.state.snapshots if s.tenant_id == workspace.tenant_id]
    return as_json(200, {"snapshots": [_told(s, workspace) for s in mine], "total": len(mine)})


def one(world: World, _: Objects, request: Request, caller: Caller, known: str) -> Answer:
    """Tell, or delete, one snapshot."""
    workspace = workspace_of(world, request, caller)
    found = _found(world, workspace, known)
    if request.method == "GET":
        return as_json(200, _told(found, workspace))
    need(role_in(workspace, caller), "editor")
    with world.changing() as state:
        state.snapshots.remove(found)
    shutil.rmtree(_folder(world, found.id), ignore_errors=True)
    return Answer(204)


def browse(world: World, objects: Objects, request: Request, caller: Caller, known: str) -> Answer:
    """List the files of a snapshot below a plain prefix."""
    found = _found(world, workspace_of(world, request, caller), known)
    prefix = request.query.get("prefix", "")
    inside = Objects(_folder(world, found.id).parent, objects.s3)
    files = [
        {
            "key": stored.key,
            "size": stored.size,
            "last_modified": datetime.fromtimestamp(stored.mtime_s, UTC).isoformat(),
            "etag": stored.md5,
        }
        for stored in inside.below(found.id, "")
        if stored.key.startswith(prefix)
    ]
    return as_json(200, {"files": files, "prefix": prefix, "snapshot_version": found.created_at})


def restore(world: World, objects: Objects, request: Request, caller: Caller, known: str) -> Answer:
    """Put the files below a plain prefix back over what is there."""
    workspace = workspace_of(world, request, caller)
    need(role_in(workspace, caller), "editor")
    found = _found(world, workspace, known)
    prefix = request.json().get("path")
    if not isinstance(prefix, str):
        return invalid("path", "Field required", "missing")
    inside = Objects(_folder(world, found.id).parent, objects.s3)
    keys = [s.key for s in inside.below(found.id, "") if s.key.startswith(prefix)]
    for key in keys:
        source = inside.path(found.id, key)
        with objects.alone(workspace.bucket, key):
            objects.put(workspace.bucket, key, source, source.stat().st_mtime)
    told = {"restored": keys, "snapshot_version": found.created_at, "snapshot_id": found.id}
    return as_json(200, told)


def _folder(world: World, snapshot: str) -> Path:
    return world.folder / "snapshots" / snapshot


def _found(world: World, workspace: Workspace, known: str) -> Snapshot:
    for snapshot in world.state.snapshots:
        if snapshot.id == known and snapshot.tenant_id == workspace.tenant_id:
            return snapshot
    raise Refused(detail(404, "There is no such snapshot"))


def _told(snapshot: Snapshot, workspace: Workspace) -> dict[str, object]:
    return {
        "id": snapshot.id,
        "snapshot_version": snapshot.created_at,
        "created_at": snapshot.created_at,
        "bucket_name": workspace.bucket,
        "name": snapshot.description,
        "auto": False,
    }


def share(world: World, _: Objects, request: Request, caller: Caller) -> Answer:
    """Make a link to a note, or list the links."""
    workspace_of(world, request, caller)
    if request.method == "GET":
        wanted = request.query.get("project_name")
        found = [s for s in world.state.shares if wanted in {None, s["project_name"]}]
        return as_json(200, {"shares": found, "total": len(found)})
    said = request.json()
    for name in ("project_name", "note_permalink"):
        if not isinstance(said.get(name), str):
            return invalid(name, "Field required", "missing")
    made = {
        "token": token("sh_"),
        "project_name": said["project_name"],
        "note_permalink": said["note_permalink"],
        "enabled": True,
        "expires_at": said.get("expires_at"),
        "view_count": 0,
        "created_at": datetime.now(UTC).isoformat(),
    }
    made["share_url"] = f"https://share.example.org/{made['token']}"
    with world.changing() as state:
        state.shares.append(made)
    return as_json(201, made)


def change_share(world: World, _: Objects, request: Request, caller: Caller, known: str) -> Answer:
    """Change or delete a link."""
    workspace_of(world, request, caller)
    found = next((s for s in world.state.shares if s["token"] == known), None)
    if found is None:
        return detail(404, "There is no such link")
    with world.changing() as state:
        if request.method == "DELETE":
            state.shares.remove(found)
            return Answer(204)
        said = request.json()
        found |= {name: said[name] for name in ("enabled", "expires_at") if name in said}
    return as_json(200, found)

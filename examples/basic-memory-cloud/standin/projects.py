"""Projects of a workspace: list, create, resolve, delete, default, and "the files changed".

The service makes a project's path from its name and takes no notice of the path that is sent, but
for telling whether a project that exists is meant. Not known: which names it refuses; here those
without a letter or digit, and those that hold a slash or a control character.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable

from standin.callers import Caller, need, role_in, workspace_of
from standin.wire import Answer, Refused, Request, as_json, detail, invalid
from standin.world import Project, Workspace, World, permalink

Forget = Callable[[Workspace, Project], None]


def told(world: World, project: Project) -> dict[str, object]:
    """Return a project as the service tells it."""
    return {
        "id": project.id,
        "external_id": project.external_id,
        "name": project.name,
        "path": world.state.switches.mount_prefix + project.path,
        "is_default": project.is_default,
        "display_name": None,
        "is_private": project.private,
    }


def listing(world: World, request: Request, caller: Caller) -> Answer:
    """List the projects that the caller may see."""
    workspace = workspace_of(world, request, caller)
    with world.lock:
        seen = [p for p in workspace.projects if role_in(workspace, caller, p)]
        default = next((p.name for p in seen if p.is_default), None)
        told_all = [told(world, project) for project in seen]
    return as_json(200, {"projects": told_all, "default_project": default})


def create(world: World, request: Request, caller: Caller) -> Answer:
    """Create a project, or tell that it is there."""
    workspace = workspace_of(world, request, caller)
    need(role_in(workspace, caller), "editor")
    said = request.json()
    for name in ("name", "path"):
        if not isinstance(said.get(name), str):
            return invalid(name, "Field required", "missing")
    name, path = str(said["name"]), str(said["path"])
    with world.changing():
        there = workspace.project(name)
        if there is not None:
            return _there_already(world, there, path)
        _check_name(name)
        project = add(world, workspace, name, default=bool(said.get("set_default")))
        return as_json(201, _done(world, f"Project '{name}' is created", new=project))


def _there_already(world: World, there: Project, path: str) -> Answer:
    if permalink(path.removeprefix("/app/data/")) != permalink(there.path):
        why = f"Project '{there.name}' already exists with different path '{there.path}'"
        return detail(400, why)
    return as_json(201, _done(world, f"Project '{there.name}' already exists", new=there))


def _check_name(name: str) -> None:
    if not permalink(name) or "/" in name or not name.isprintable():
        raise Refused(detail(400, f"Invalid project name: {name!r}"))


def add(world: World, workspace: Workspace, name: str, *, default: bool = False) -> Project:
    """Add a project to a workspace under the lock; the first one is the default."""
    default = default or not workspace.projects
    if default:
        for other in workspace.projects:
            other.is_default = False
    project = Project(world.next_id(), str(uuid.uuid4()), name, permalink(name), default)
    workspace.projects.append(project)
    return project


def resolve(world: World, request: Request, caller: Caller) -> Answer:
    """Find a project by its name, permalink or id."""
    workspace = workspace_of(world, request, caller)
    identifier = request.json().get("identifier")
    if not isinstance(identifier, str):
        return invalid("identifier", "Field required", "missing")
    project = _seen(workspace, caller, identifier)
    how = "external_id" if identifier == project.external_id else "name"
    found = told(world, project)
    return as_json(
        200,
        {
            "external_id": project.external_id,
            "project_id": project.id,
            "name": project.name,
            "permalink": permalink(project.name),
            "path": found["path"],
            "is_active": True,
            "is_default": project.is_default,
            "resolution_method": how,
        },
    )


def one(world: World, request: Request, caller: Caller, external_id: str) -> Answer:
    """Tell one project."""
    workspace = workspace_of(world, request, caller)
    return as_json(200, told(world, _seen(workspace, caller, external_id)))


def delete(
    world: World, request: Request, caller: Caller, external_id: str, forget: Forget
) -> Answer:
    """Delete a project; its files go later."""
    workspace = workspace_of(world, request, caller)
    need(role_in(workspace, caller), "editor")
    with world.changing():
        project = _seen(workspace, caller, external_id)
        if project.is_default:
            return detail(400, f"Project '{project.name}' is the default and cannot be deleted")
        workspace.projects.remove(project)
        with_files = request.query.get("delete_notes", "").lower() in {"true", "1"}
        if with_files:
            wait_s = world.state.switches.deletion_s
            timer = threading.Timer(wait_s, forget, (workspace, project))
            timer.daemon = True
            timer.start()
        deleted = _done(world, f"Project '{project.name}' is deleted", old=project)
    status = "pending" if with_files else "skipped"
    whole = "pending" if with_files else "complete"
    job = {"deletion_status": whole, "file_delete_status": status, "job_id": str(uuid.uuid4())}
    return as_json(200, deleted | job)


def make_default(world: World, request: Request, caller: Caller, external_id: str) -> Answer:
    """Make a project the default one."""
    workspace = workspace_of(world, request, caller)
    need(role_in(workspace, caller), "editor")
    with world.changing():
        project = _seen(workspace, caller, external_id)
        old = next((p for p in workspace.projects if p.is_default), None)
        for other in workspace.projects:
            other.is_default = other is project
        told_both = _done(world, f"Project '{project.name}' is the default", old=old, new=project)
        return as_json(200, told_both)


def files_changed(world: World, request: Request, caller: Caller, identifier: str) -> Answer:
    """Take the news that files changed, as old clients tell it."""
    workspace = workspace_of(world, request, caller)
    project = _seen(workspace, caller, identifier)
    status = "index_started" if request.path.endswith("/index") else "sync_started"
    return as_json(200, {"status": status, "message": f"Begun for project '{project.name}'"})


def _seen(workspace: Workspace, caller: Caller, identifier: str) -> Project:
    project = workspace.project(identifier)
    if project is None or not role_in(workspace, caller, project):
        raise Refused(detail(404, f"There is no project '{identifier}'"))
    return project


def _done(
    world: World, message: str, old: Project | None = None, new: Project | None = None
) -> dict[str, object]:
    current = new or old
    return {
        "message": message,
        "status": "success",
        "default": current is not None and current.is_default,
        "old_project": told(world, old) if old else None,
        "new_project": told(world, new) if new else None,
    }

"""Where a WebDAV request goes: the project of a path, its rights, and the object that is meant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

from standin.callers import Caller, need, role_in, workspace_of
from standin.objects import Objects
from standin.wire import Refused, Request, detail
from standin.world import Project, Workspace, World

ROOT = "/webdav/"


@dataclass(frozen=True)
class Place:
    """A path in a project; `inside` is "" for the project itself. `href` is its URL's path."""

    workspace: Workspace
    project: Project
    inside: str
    href: str

    @property
    def bucket(self) -> str:
        """Return the bucket of the workspace."""
        return self.workspace.bucket

    @property
    def key(self) -> str:
        """Return the object's key in the bucket."""
        return f"{self.project.path}/{self.inside}" if self.inside else self.project.path

    def below(self, key: str) -> Place:
        """Return the place of another key of the same project."""
        return replace(self, inside=key.removeprefix(self.project.path).lstrip("/"))


def place_of(world: World, request: Request, caller: Caller, least: str) -> Place:
    """Return what a request is about; raise Refused where it is nothing, or not for the caller."""
    workspace = workspace_of(world, request, caller)
    return _at(workspace, caller, request.path, least)


def destination_of(request: Request, caller: Caller, source: Place) -> Place:
    """Return where a COPY or MOVE goes: within the same project (others: not known, 403 here)."""
    said = request.headers.get("Destination")
    if said is None:
        raise Refused(detail(400, "A Destination is needed"))
    place = _at(source.workspace, caller, urlsplit(said).path, "editor")
    if place.project is not source.project:
        raise Refused(detail(403, "The destination is in another project"))
    return place


def _at(workspace: Workspace, caller: Caller, raw: str, least: str) -> Place:
    name, _, inside = raw.removeprefix(ROOT).partition("/")
    project = workspace.project(unquote(name))
    if project is None or not role_in(workspace, caller, project):
        raise Refused(detail(404, f"There is no project '{unquote(name)}'"))
    need(role_in(workspace, caller, project), least)
    path = unquote(inside, errors="surrogateescape").rstrip("/")
    if any(part in {"", ".", ".."} for part in path.split("/")) and path:
        raise Refused(detail(400, "The path is not one of this project"))
    if "\0" in path or not is_text(path):
        raise Refused(detail(400, "The path is no UTF-8 text"))
    return Place(workspace, project, path, f"{ROOT}{name}")


def is_text(path: str) -> bool:
    """Return whether a path can be written as UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_folder(objects: Objects, place: Place) -> bool:
    """Return whether there is a folder; a project's own is always there, as a prefix is."""
    return not place.inside or objects.path(place.bucket, place.key).is_dir()

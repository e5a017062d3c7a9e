"""Reads `was`, which says how a project was declared before, so that its memory comes along. Pure.

A former declaration is never used to sync: it only tells whose memory the project takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bm_sync.manifest.codes import Code
from bm_sync.manifest.near_side import Finding, Near, other_remote
from bm_sync.manifest.nodes import Mapping, Scalar
from bm_sync.manifest.overlap import Key, place_of
from bm_sync.manifest.places import local_folder, remote_path
from bm_sync.manifest.shown import quoted
from bm_sync.manifest.values import Surroundings, text
from bm_sync.model.config import Project, Remote
from bm_sync.structs import replace

if TYPE_CHECKING:
    from bm_sync.manifest.projects import Placed

Where = tuple[Key, Key]
"""Where the two sides of a project lie."""


def former(project: Project, node: Mapping, find: Finding, around: Surroundings) -> Project | None:
    """Return a project as its `was` says that it was declared; None when that was refused.

    What `was` does not say was as it is now, and a path that was not written was the name. Its
    origin is where `was` stands.
    """
    said = node.get("was")
    project = replace(project, origin=around.origin(node.entries["was"].key.spot))
    if isinstance(said, Scalar):
        name = str(said.value)
        return replace(project, name=name, path=_named_path(project, node, name))
    if not isinstance(said, Mapping):
        return None
    name = text(said, "name") or project.name
    near, remote = _near(project, said, find, around), _remote(project, said, find)
    written = said.get("path")
    path: str | None = _named_path(project, node, name)
    if isinstance(written, Scalar):
        path = remote_path(written, around, "a project's former path")
    if near is None or path is None:
        return None
    return replace(
        project, name=name, local=near.local, source=near.source, remote=remote, path=path
    )


def _named_path(project: Project, node: Mapping, name: str) -> str:
    return project.path if "path" in node.entries else name


def _near(project: Project, said: Mapping, find: Finding, around: Surroundings) -> Near | None:
    if "from" in said.entries:
        return other_remote(said, find, around)
    local = said.get("local")
    if not isinstance(local, Scalar):
        return Near(project.local, project.source)
    folder = local_folder(local, around, "local")
    return None if folder is None else Near(folder)


def _remote(project: Project, said: Mapping, find: Finding) -> Remote | None:
    named = said.get("remote")
    return find(str(named.value), named.spot) if isinstance(named, Scalar) else project.remote


def check_formers(placed: Iterable[Placed], around: Surroundings) -> None:
    """Report every `was` that is what another project is, or says that it was, too."""
    placed = tuple(placed)
    names = {each.project.name: each.project for each in placed}
    here = [each for each in placed if each.elsewhere is None]
    owners = {_where(each.project): each.project.name for each in here}
    claims: dict[Where, str] = {}
    for each in here:
        project, was = each.project, each.project.was
        if was is None or each.was_at is None:
            continue
        where = _where(was)
        if where == _where(project):
            continue  # another name for the same two places keeps its memory anyhow
        wrong = _taken(project, was, names, owners.get(where))
        first = claims.setdefault(where, project.name)
        if wrong is None and first != project.name:
            what = f"the projects {quoted(first)} and {quoted(project.name)} were the same project"
            wrong = what, "its memory goes to one of them; take was out of the other"
        if wrong is not None:
            around.report.error(Code.WAS, each.was_at, *wrong)


def _taken(
    project: Project, was: Project, names: dict[str, Project], owner: str | None
) -> tuple[str, str] | None:
    """Return why a memory belongs to a project that is declared still, with a hint."""
    named = names.get(was.name)
    if owner is None and (named is None or was.name == project.name or named.was is not None):
        return None
    other = quoted(owner or was.name)
    what = f"the project {quoted(project.name)} was what {other} is now"
    return what, f"{other} keeps its own memory; name what is not declared any more"


def _where(project: Project) -> Where:
    source = project.source
    if source is not None:
        near = place_of(source.remote, source.path)
    else:
        near = () if project.local is None else place_of(None, str(project.local))
    far = () if project.remote is None else place_of(project.remote, project.path)
    return near, far

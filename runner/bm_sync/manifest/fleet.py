"""Builds the fleet's place, and refuses one that would mix with what is synced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bm_sync import layout
from bm_sync.manifest.codes import Code
from bm_sync.manifest.nodes import Node, Scalar
from bm_sync.manifest.overlap import place_of
from bm_sync.manifest.places import wrong_remote_path
from bm_sync.manifest.shown import did_you_mean, quoted
from bm_sync.manifest.values import Surroundings
from bm_sync.model.config import CloudRemote, Project, Remote
from bm_sync.model.fleet import Fleet


def build_fleet(
    said: Node | None,
    remotes: Mapping[str, Remote],
    projects: Iterable[Project],
    around: Surroundings,
) -> Fleet | None:
    """Return the fleet's place; None when nothing is said or it is refused (reported)."""
    if not isinstance(said, Scalar) or not isinstance(said.value, str):
        return None
    name, _, path = said.value.partition(":")
    remote = remotes.get(name)
    if remote is None:
        hint = did_you_mean(name, sorted(remotes)) or "declare it in remotes"
        what = f"fleet: there is no remote {quoted(name)}"
        around.report.error(Code.UNKNOWN_NAME, said.spot, what, hint)
        return None
    path = path.removesuffix("/") or layout.FLEET
    wrong = _wrong(path, remote) or _touching(remote, path, projects, around)
    if wrong is not None:
        hint = f"name the remote alone, {name}, for {layout.FLEET} there"
        around.report.error(Code.FLEET, said.spot, f"fleet: {wrong}", hint)
        return None
    return Fleet(remote, path, around.origin(said.spot))


def _wrong(path: str, remote: Remote) -> str | None:
    if path == layout.FLEET:
        return None
    if isinstance(remote, CloudRemote):
        return "every folder of a Basic Memory Cloud workspace is a project"
    wrong = wrong_remote_path(path)
    return None if wrong is None else f"{quoted(path)} cannot be a path: {wrong}"


def _touching(
    remote: Remote, path: str, projects: Iterable[Project], around: Surroundings
) -> str | None:
    """Return which side of a project the place touches; ours is excluded from every project."""
    if path == layout.FLEET:
        return None
    here = place_of(remote, path)
    state = place_of(None, str(around.state_dir))
    if _meet(here, state):
        return f"{quoted(path)} touches the state directory"
    for project in projects:
        sides = [] if project.local is None else [place_of(None, str(project.local))]
        if project.source is not None:
            sides.append(place_of(project.source.remote, project.source.path))
        if project.remote is not None:
            sides.append(place_of(project.remote, project.path))
        if any(_meet(here, side) for side in sides):
            return f"{quoted(path)} touches the files of the project {quoted(project.name)}"
    return None


def _meet(one: tuple[str, ...], two: tuple[str, ...]) -> bool:
    shorter = min(len(one), len(two))
    return one[:shorter] == two[:shorter]

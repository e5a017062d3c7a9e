"""Builds the place on a remote that holds the state, and refuses one that cannot hold it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from bm_sync import layout
from bm_sync.manifest.codes import Code
from bm_sync.manifest.nodes import Mapping as Node
from bm_sync.manifest.nodes import Scalar
from bm_sync.manifest.overlap import place_of
from bm_sync.manifest.places import wrong_remote_path
from bm_sync.manifest.projects import Placed
from bm_sync.manifest.shown import did_you_mean, quoted
from bm_sync.manifest.values import Surroundings, duration_s
from bm_sync.model.config import CloudRemote, Project, Remote
from bm_sync.model.state_home import StateHome

DEFAULT_LEASE_S = 120.0
_LEASE_S = (2.0, 600.0)


def build_state_home(
    said: Node, remotes: Mapping[str, Remote], placed: Iterable[Placed], around: Surroundings
) -> StateHome | None:
    """Return the place; None when it is refused (reported). `placed` are this machine's."""
    name = said.get("remote")
    if not isinstance(name, Scalar):
        return None
    here = tuple(placed)
    remote = _remote(name, remotes, around)
    path = _path(said, remote, [p.project for p in here], around)
    lease_s = _lease_s(said, around)
    _refuse_folders(here, around)
    if remote is None or path is None or isinstance(remote, CloudRemote):
        return None
    return StateHome(remote, path, lease_s, around.origin(name.spot))


def _remote(said: Scalar, remotes: Mapping[str, Remote], around: Surroundings) -> Remote | None:
    name = str(said.value)
    remote = remotes.get(name)
    if remote is None:
        hint = did_you_mean(name, sorted(remotes)) or "declare it in remotes"
        what = f"state: there is no remote {quoted(name)}"
        around.report.error(Code.UNKNOWN_NAME, said.spot, what, hint)
    if isinstance(remote, CloudRemote):
        what = "state: every folder of a Basic Memory Cloud workspace is a project"
        around.report.error(Code.STATE_HOME, said.spot, what, "name a bucket, or another remote")
    return remote


def _path(
    said: Node, remote: Remote | None, projects: Iterable[Project], around: Surroundings
) -> str | None:
    at = said.get("path")
    if not isinstance(at, Scalar):
        return layout.STATE
    path = str(at.value).removesuffix("/")
    wrong = "it is empty" if not path else wrong_remote_path(path)
    if path == layout.STATE:
        return path
    if wrong is not None:
        what = f"state: {quoted(path)} cannot be a path: {wrong}"
        around.report.error(Code.REMOTE_PATH, at.spot, what, f"leave it out for {layout.STATE}")
        return None
    touched = remote and _touched(remote, path, projects)
    if touched:
        what = f"state: {quoted(path)} touches the files of the project {quoted(touched)}"
        hint = f"leave path out for {layout.STATE}, which no project ever holds"
        around.report.error(Code.STATE_OVERLAP, at.spot, what, hint)
    return path


def _touched(remote: Remote, path: str, projects: Iterable[Project]) -> str | None:
    """Return the project that has a side which holds the place, or lies in it."""
    here = place_of(remote, path)
    for project in projects:
        for side in _sides(project):
            shorter = min(len(here), len(side))
            if here[:shorter] == side[:shorter]:
                return project.name
    return None


def _sides(project: Project) -> Iterator[tuple[str, ...]]:
    if project.remote is not None:
        yield place_of(project.remote, project.path)
    if project.source is not None:
        yield place_of(project.source.remote, project.source.path)


def _lease_s(said: Node, around: Surroundings) -> float:
    at = said.get("lease")
    if not isinstance(at, Scalar) or not isinstance(at.value, str):
        return DEFAULT_LEASE_S
    lease_s = duration_s(at.value)
    least, most = _LEASE_S
    if not least <= lease_s <= most:
        what = f"state: {quoted(at.value)} cannot be how long a lease holds"
        around.report.error(Code.OUT_OF_RANGE, at.spot, what, "2s to 10m; 2m is the default")
    return lease_s


def _refuse_folders(placed: Iterable[Placed], around: Surroundings) -> None:
    """Report folders of this machine: what is remembered of their files means nothing elsewhere."""
    for each in placed:
        if each.project.local is not None and each.local_at is not None:
            what = (
                f"the project {quoted(each.project.name)} has a folder of this machine, and the "
                "state, which lies on a remote, is for every machine"
            )
            hint = "name another remote with from, or move the project to a manifest without state"
            around.report.error(Code.STATE_HOME, each.local_at, what, hint)

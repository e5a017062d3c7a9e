"""Reads `from: remote:path`, which puts another remote in the place of the local folder.

A remote that is a folder of this machine becomes the local folder it is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from bm_sync.manifest.cloud import wrong_cloud_path
from bm_sync.manifest.codes import Code
from bm_sync.manifest.nodes import Mapping, Scalar, Spot
from bm_sync.manifest.places import wrong_remote_path
from bm_sync.manifest.shown import quoted
from bm_sync.manifest.values import Surroundings
from bm_sync.model.config import (
    CloudRemote,
    Engine,
    FolderRemote,
    Project,
    Remote,
    Source,
    Winner,
)
from bm_sync.model.permalink import permalink
from bm_sync.structs import replace

Finding = Callable[[str, Spot], Remote | None]
_HINT = "write it like prod:notes/work"


class Near(Struct, frozen=True):
    """The near side of a project: a folder of this machine, another remote, or neither."""

    local: Path | None = None
    source: Source | None = None


def other_remote(node: Mapping, find: Finding, around: Surroundings) -> Near:
    """Return the near side that `from` names; what is wrong with it is reported.

    `find` returns the remote of a name, and reports one that is not declared.
    """
    said = node.get("from")
    if not isinstance(said, Scalar):
        return Near()
    if "local" in node.entries:
        what = "a project has either local or from"
        hint = "leave one of them out: from takes the place of the local folder"
        around.report.error(Code.FROM, said.spot, what, hint)
    name, colon, path = str(said.value).partition(":")
    if not name or not colon:
        what = f"{quoted(said.value)} names no place on a remote"
        around.report.error(Code.FROM, said.spot, what, _HINT)
        return Near()
    path = path.removesuffix("/") if path != "/" else path
    wrong = wrong_remote_path(path)
    if wrong is not None:
        what = f"{quoted(path)} cannot be a path on a remote: {wrong}"
        around.report.error(Code.REMOTE_PATH, said.spot, what, _HINT)
    remote = find(name, said.spot)
    if remote is None or wrong is not None:
        return Near()
    if isinstance(remote, FolderRemote):
        return Near(local=remote.root / path)
    return Near(source=Source(remote, path))


def check(project: Project, at: Spot, around: Surroundings) -> None:
    """Report what a project cannot do because its near side is another remote."""
    wrong = _wrong(project)
    if wrong is not None:
        what, hint = wrong
        around.report.error(Code.FROM, at, f"the project {quoted(project.name)} {what}", hint)


def _wrong(project: Project) -> tuple[str, str | None] | None:
    source = project.source
    if source is None:
        return None
    policy, use = project.policy, "use another policy for this project"
    if policy.engine is Engine.BISYNC:
        return "cannot have engine: bisync and from: bisync needs a folder of this machine", use
    if policy.conflict.winner is Winner.MERGE:
        return "cannot merge: the texts to merge lie on no folder of this machine", use
    misnamed = wrong_cloud_path(replace(project, remote=source.remote, path=source.path))
    if misnamed is not None:
        return f"cannot be from there: {misnamed}", "write from: REMOTE:NAME"
    if _one_workspace(source.remote, project.remote):
        return "has both sides in one workspace", "name another workspace for one of them"
    return None


def _one_workspace(one: Remote, two: Remote | None) -> bool:
    if not isinstance(one, CloudRemote) or not isinstance(two, CloudRemote):
        return False
    return _workspace(one) == _workspace(two)


def _workspace(remote: CloudRemote) -> tuple[str, str]:
    return remote.host or "", permalink(remote.workspace or "")

"""What a project *is*, whatever it is called: the two places it joins.

The key of a project names its memory and its lock. Renaming a project or rotating a secret keeps
the key; another folder, server or path is another project, whose first run is a union.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from bm_sync.masking import veiled
from bm_sync.model.config import (
    CLOUD_TYPE,
    BackendRemote,
    CloudRemote,
    FolderRemote,
    NamedRemote,
    Project,
    Remote,
)
from bm_sync.model.permalink import permalink
from bm_sync.model.tree import Side
from bm_sync.state.values import Former
from bm_sync.structs import replace

# Options of rclone backends that say where the data lie (https://rclone.org/overview/); all others
# say how to get there.
_WHERE = frozenset(
    {
        "account",
        "app_folder",
        "bucket",
        "container",
        "drive_id",
        "endpoint",
        "host",
        "hostname",
        "namenode",
        "port",
        "provider",
        "remote",
        "root_folder_id",
        "server",
        "service_url",
        "share",
        "storage_zone",
        "team_drive",
        "tenant",
        "upstreams",
        "url",
        "user",
        "username",
    }
)


def remote_identity(remote: Remote) -> list[object]:
    """Return what tells this remote from all others; never a secret."""
    match remote:
        case FolderRemote():
            return ["folder", os.path.realpath(remote.root)]
        case BackendRemote():
            where = [[k, v] for k, v in sorted(remote.options) if k in _WHERE]
            return [
                "backend",
                remote.type,
                [[k, v if isinstance(v, str) else [v.kind, v.value]] for k, v in where],
                remote.root,
            ]
        case NamedRemote():
            return ["rclone", remote.rclone, remote.root]
        case CloudRemote():
            return [CLOUD_TYPE, remote.host, remote.workspace]


def digest_of(value: object) -> str:
    """Return 32 hexadecimal digits that stand for a JSON-able value."""
    text = json.dumps(value, ensure_ascii=True, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def remote_key(remote: Remote) -> str:
    """Return the key under which facts about a remote are remembered."""
    return digest_of(remote_identity(remote))


def project_key(project: Project) -> str:
    """Return the key of a project's memory and lock."""
    return _key(project, _near(project))


def formers(projects: Iterable[Project]) -> dict[str, Former]:
    """Return whose memory projects take that were declared otherwise before, by their own keys."""
    return {
        project_key(project): Former(key, tuple(_moved(project, project.was)))
        for project in projects
        if project.was is not None and (key := project_key(project.was)) != project_key(project)
    }


def _moved(project: Project, was: Project) -> Iterator[Side]:
    """Yield the sides that lie elsewhere than before."""
    if _near(project) != _near(was):
        yield Side.LOCAL
    if _far(project) != _far(was):
        yield Side.REMOTE


def keys(project: Project) -> tuple[str, ...]:
    """Return the key of a project, and the one that it had when it was declared otherwise."""
    own = project_key(project)
    return (own, *(each.key for each in formers([project]).values()))


def _near(project: Project) -> object:
    """Return what tells the near side: a folder, another remote with a path, or nothing."""
    source = project.source
    if source is None:
        return os.path.realpath(project.local) if project.local is not None else None
    return ["from", remote_identity(source.remote), _path_on(source.remote, source.path)]


def _path_on(remote: Remote | None, path: str) -> str:
    return permalink(path) if isinstance(remote, CloudRemote) else path


def key_before_link(project: Project) -> str:
    """Return the key the project had while its local root was a folder, if it is a link now."""
    assert project.local is not None  # noqa: S101 - the callers walk it
    parent = os.path.realpath(project.local.parent)
    return _key(project, str(Path(parent) / project.local.name))


def _key(project: Project, near: object) -> str:
    return digest_of([near, *_far(project)])


def _far(project: Project) -> list[object]:
    remote = remote_identity(project.remote) if project.remote is not None else None
    return [remote, _path_on(project.remote, project.path)]


def at_source(project: Project) -> Project | None:
    """Return the project as its other remote would declare it: what `from` names is its remote.

    None for a project whose near side is a folder of this machine, or nothing.
    """
    source = project.source
    if source is None:
        return None
    return replace(project, source=None, remote=source.remote, path=source.path)


def joined(root: str, path: str) -> str:
    """Join two slash-separated paths, either of which may be empty."""
    return "/".join(part for part in (root.strip("/"), path.strip("/")) if part)


def remote_label(project: Project) -> str:
    """Return the remote root as a person reads it: `b2:team/archive`."""
    return veiled(_remote_label(project), project.veil)


def _remote_label(project: Project) -> str:
    match project.remote:
        case None:
            return "-"
        case FolderRemote(name=name) | CloudRemote(name=name):
            return f"{name}:{project.path}"
        case BackendRemote(name=name, root=root) | NamedRemote(name=name, root=root):
            return f"{name}:{joined(root, project.path)}"


def former_label(project: Project, home: Path) -> str:
    """Return what a project was before, as a person tells it from what it is now; "" for nothing.

    That is its former name, else its former folder, else its former place on the remote.
    """
    was = project.was
    if was is None:
        return ""
    if was.name != project.name:
        return was.name
    moved = Side.LOCAL in _moved(project, was)
    return local_label(was, home) if moved else remote_label(was)


def local_label(project: Project, home: Path) -> str:
    """Return the near root as a person reads it, the home directory shortened to `~`."""
    other = at_source(project)
    if other is not None:
        return remote_label(other)
    if project.local is None:
        return "-"
    if project.local != home and project.local.is_relative_to(home):
        return veiled(f"~/{project.local.relative_to(home)}", project.veil)
    return veiled(str(project.local), project.veil)

"""Reads Basic Memory's `config.json` in every form that its versions have written.

0.16 to 0.18: `projects` are folders by name, `cloud_projects` what is synced. Builds before 0.19
add `project_modes`. Since 0.19 `projects` holds one object for each project. Files that are half of
one and half of another exist: the migration of basic-memory 0.24 (config_migrations.py) drops what
it does not expect, this reader does not. The file is never written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from bm_sync import files
from bm_sync.errors import UsageError
from bm_sync.manifest.shown import quoted
from bm_sync.structs import replace

CONFIG = "config.json"
_MAX_BYTES = 4 << 20
_CLOUD, _LOCAL = "cloud", "local"
NOT_UNDERSTOOD = "its entry is not understood"


class MemoryProject(Struct, frozen=True):
    """A project as Basic Memory knows it.

    `folder` is where it lies here, None for nowhere. `cloud` says that it is on the cloud too.
    `workspace` is an id. `remarks` are worth a word to whoever reads the manifest.
    """

    name: str
    folder: str | None
    cloud: bool
    workspace: str | None = None
    last_sync: str | None = None
    remarks: tuple[str, ...] = ()


class MemoryConfig(Struct, frozen=True):
    """What is declared: the projects in the order of the file, the service, the workspace."""

    folder: Path
    projects: tuple[MemoryProject, ...]
    host: str | None
    workspace: str | None


def read(folder: Path, env: Mapping[str, str]) -> MemoryConfig:
    """Return what the `config.json` in Basic Memory's data directory declares.

    Raises UsageError when there is none, it is damaged, or others have it in their hands.
    """
    file = folder / CONFIG
    said = _object(file, env)
    projects, cloud = _map(said, "projects", file), _map(said, "cloud_projects", file)
    modes = _map(said, "project_modes", file)
    names = dict.fromkeys((*projects, *cloud))
    found = [_project(n, projects.get(n), cloud.get(n), modes.get(n)) for n in names]
    return MemoryConfig(
        folder=folder,
        projects=tuple(found),
        host=_text(said, "cloud_host"),
        workspace=_text(said, "default_workspace"),
    )


def _object(file: Path, env: Mapping[str, str]) -> Mapping[str, object]:
    hint = "name Basic Memory's data directory with --config-dir"
    try:
        data = files.read(file, _MAX_BYTES, env)
    except FileNotFoundError as e:
        raise UsageError(f"there is no {file}", hint=hint) from e
    except OSError as e:
        raise UsageError(f"{file} cannot be read: {e.strerror}", hint=hint) from e
    mend = "let Basic Memory write it anew, or take a backup of it (config.json.bak)"
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        # the file may hold an API key, which must not travel with a cause
        raise UsageError(f"{file} is damaged: it is not JSON", hint=mend) from None
    if not isinstance(said, dict):
        raise UsageError(f"{file} is damaged: it holds no object", hint=mend)
    return said


def _map(said: Mapping[str, object], key: str, file: Path) -> Mapping[str, object]:
    found = said.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise UsageError(f"{file} is damaged: {key} is no object")
    return found


def _text(said: Mapping[str, object], *keys: str) -> str | None:
    """Return the first of these values that is a text with something in it."""
    texts = (said.get(key) for key in keys)
    return next((text for text in texts if isinstance(text, str) and text.strip()), None)


def _project(name: str, entry: object, cloud: object, mode: object) -> MemoryProject:
    """Return a project that stands in `projects`, in `cloud_projects`, or in both."""
    if isinstance(entry, dict):
        project = _of_entry(name, entry, mode)
    elif isinstance(entry, str):
        project = MemoryProject(name, entry or None, cloud=mode == _CLOUD)
    elif entry is None:
        project = MemoryProject(name, None, cloud=mode != _LOCAL)
    else:
        project = MemoryProject(name, None, cloud=False, remarks=(NOT_UNDERSTOOD,))
    return project if cloud is None else _with_sync(project, cloud)


def _of_entry(name: str, entry: Mapping[str, object], mode: object) -> MemoryProject:
    path, synced = _text(entry, "path"), _text(entry, "local_sync_path", "cloud_sync_path")
    last_sync = _text(entry, "last_sync")
    said = _text(entry, "mode") or mode
    # its migration says local of a project that was synced and known here at once
    was_synced = synced is not None and bool(last_sync or entry.get("bisync_initialized"))
    remarks = []
    if said != _CLOUD and was_synced:
        remarks.append("Basic Memory says mode local, yet it was synced")
    if said != _CLOUD and synced is not None and not was_synced:
        remarks.append(f"Basic Memory also names {quoted(synced)} for syncing, never used")
    return MemoryProject(
        name=name,
        folder=(synced or path) if said == _CLOUD or was_synced else path,
        cloud=said == _CLOUD or was_synced,
        workspace=_text(entry, "workspace_id"),
        last_sync=last_sync,
        remarks=tuple(remarks),
    )


def _with_sync(project: MemoryProject, cloud: object) -> MemoryProject:
    """Add what `cloud_projects` says of a project: there it is synced, whatever else is said."""
    said: Mapping[str, object] = cloud if isinstance(cloud, dict) else {"local_path": cloud}
    folder = _text(said, "local_path")
    remarks = project.remarks
    if folder is not None and project.folder not in (None, folder):
        remarks += (f"Basic Memory also has {quoted(project.folder)} under this name",)
    return replace(
        project,
        folder=folder or (project.folder if project.cloud else None),
        cloud=True,
        last_sync=project.last_sync or _text(said, "last_sync"),
        remarks=remarks,
    )

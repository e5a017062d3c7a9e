"""Finds the listings that an earlier `rclone bisync` left of a project. Reads names only.

rclone keeps them below its cache directory, Basic Memory in a folder for each project. They are
named after both roots (`cmd/bisync/bilib/canonical.go` of rclone 1.75).
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from bm_sync import access, files
from bm_sync.engine.identity import joined
from bm_sync.errors import UsageError
from bm_sync.model.config import BackendRemote, FolderRemote, NamedRemote, Project
from bm_sync.paths import home_dir

_FIRST, _SECOND = ".path1.lst", ".path2.lst"
_BETWEEN = ".."
_SIGNS = re.compile(r"[\s\\/:?*]")
_LOCAL = re.compile(r"local(\{[^}]*\})?__?")
_FAILED = "-err"
_SHOWN = 3
_MOST_BYTES = 1 << 20  # of a lock file


class Session(Struct, frozen=True):
    """One pair of listings, that of the local side first."""

    local: Path
    remote: Path
    lock: Path


def find(project: Project, folder: Path | None, env: Mapping[str, str]) -> Session:
    """Return the listings of a project, in `folder` or where rclone and Basic Memory keep them.

    Raises UsageError when there are none, or several, or when bisync is at work.
    """
    folders = [folder] if folder is not None else list(_usual(project, env))
    found = [s for each in folders for s in _sessions(each, project)]
    if not found:
        raise _none(project, folders)
    if len(found) > 1:
        names = ", ".join(ascii(str(s.local.parent))[1:-1] for s in found[:_SHOWN])
        what = f"there are several listings of project {project.name}: in {names}"
        raise UsageError(what, hint="name the folder of one with --workdir")
    (session,) = found
    _refuse_running(session)
    return session


def _usual(project: Project, env: Mapping[str, str]) -> Iterator[Path]:
    home = home_dir(env)
    cache = Path(env["XDG_CACHE_HOME"]) if env.get("XDG_CACHE_HOME") else home / ".cache"
    yield cache / "rclone" / "bisync"
    named = env.get("BASIC_MEMORY_CONFIG_DIR")
    below = env.get("XDG_CONFIG_HOME")
    memories = [Path(named).expanduser()] if named else []
    memories += [Path(below) / "basic-memory"] if below else []
    for memory in dict.fromkeys([*memories, home / ".basic-memory"]):
        yield memory / "bisync-state" / project.name


def _sessions(folder: Path, project: Project) -> Iterator[Session]:
    """Yield the pairs in a folder whose names tell both roots of the project."""
    for first in _listed(folder, f"*{_FIRST}"):
        base = first.name.removesuffix(_FIRST)
        second = first.with_name(base + _SECOND)
        if access.standing(second) is None:
            continue
        lock = first.with_name(f"{base}.lck")
        for one, two in _halves(base):
            if _is_local(one, project) and _is_remote(two, project):
                yield Session(first, second, lock)
            elif _is_local(two, project) and _is_remote(one, project):
                yield Session(second, first, lock)


def _listed(folder: Path, pattern: str) -> list[Path]:
    """Return the files of a folder that have such names, none where there is no folder."""
    try:
        found = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as e:
        raise access.unreachable(folder, e) from e
    return [file for file in found if fnmatch.fnmatchcase(file.name, pattern)]


def _halves(base: str) -> Iterator[tuple[str, str]]:
    """Yield every way to read a name as those of two roots."""
    at = base.find(_BETWEEN)
    while at >= 0:
        yield base[:at], base[at + len(_BETWEEN) :]
        at = base.find(_BETWEEN, at + 1)


def _is_local(name: str, project: Project) -> bool:
    assert project.local is not None  # noqa: S101 - only asked of synced projects
    roots = {str(project.local), os.path.realpath(project.local)}
    plain = {name, _LOCAL.sub("", name, count=1)}
    return not plain.isdisjoint(map(_canonical, roots))


def _is_remote(name: str, project: Project) -> bool:
    """Return whether a name may be that of the project's place; the remote's own may differ."""
    match project.remote:
        case FolderRemote(root=root):
            return {name, _LOCAL.sub("", name, count=1)} >= {_canonical(str(root / project.path))}
        case BackendRemote(root=root) | NamedRemote(root=root):
            place = _canonical(joined(root, project.path))
        case _:
            place = _canonical(project.path)
    return not place or name.endswith(place)


def _canonical(root: str) -> str:
    return _SIGNS.sub("_", root.strip("\\/"))


def _none(project: Project, folders: list[Path]) -> UsageError:
    looked = ", ".join(ascii(str(f))[1:-1] for f in folders)
    failed = [f for each in folders for f in _listed(each, f"*{_FIRST}{_FAILED}")]
    what = f"no bisync listings of project {project.name} in {looked}"
    if failed:
        what += "; the last bisync failed there and left none that can be believed"
    hint = "name their folder with --workdir, or just apply: a first run deletes nothing"
    return UsageError(what, hint=hint)


def _refuse_running(session: Session) -> None:
    """Raise UsageError while the bisync that writes these listings is at work."""
    try:
        text = files.read(session.lock, _MOST_BYTES, {}, consent=True).decode("utf-8", "replace")
    except (FileNotFoundError, files.RefusedFileError):
        return
    except OSError as e:
        raise access.unreachable(session.lock, e) from e
    pid = _pid(text)
    if pid is not None and Path(f"/proc/{pid}").exists():
        what = f"a bisync of these paths is at work (process {pid})"
        raise UsageError(what, hint="wait until it has ended, then run this again")


def _pid(text: str) -> int | None:
    """Return the process that a lock file names; newer ones are JSON, older ones the number."""
    try:
        told = json.loads(text)
        return int(told["PID"] if isinstance(told, dict) else told)
    except (ValueError, KeyError, TypeError):
        return None

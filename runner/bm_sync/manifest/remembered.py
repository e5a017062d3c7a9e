"""Remembers which documents `jsonschema` accepted, so that it is not imported for them again.

A cache of digests in `$XDG_CACHE_HOME/bm-sync`. It says nothing but "this was accepted"; a file
that is not ours alone is not believed. Failing to read or write it is silent, and costs time only.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import bm_sync
from bm_sync.manifest.nodes import Document
from bm_sync.model.config import FolderRemote, Manifest
from bm_sync.paths import cache_dir

NAME = "accepted-manifests"
MOST = 100

_DIGEST_LENGTH = 64


def digest(document: Document, schema: str, file: str) -> str:
    """Return what stands for a verdict: of this document, by this schema, from these packages.

    What the same text means elsewhere is another thing: `file` is where it stands.

    The document has its variables put in: what the environment says is part of what was judged.
    """
    judged = [
        bm_sync.__version__,
        _installed("jsonschema"),
        schema,
        document,
        os.path.realpath(file),
    ]
    return hashlib.sha256(json.dumps(judged).encode()).hexdigest()


def is_known(accepted: str, env: Mapping[str, str]) -> bool:
    """Whether the document of this digest was accepted before."""
    try:
        return accepted in _read(cache_dir(env) / NAME)
    except (OSError, ValueError):
        return False


def remember(accepted: str, env: Mapping[str, str], manifest: Manifest) -> None:
    """Remember a digest, unless the cache lies in a folder that `manifest` keeps in sync."""
    folder = cache_dir(env)
    try:
        if not _lies_in_a_side(folder, manifest):
            _write(folder, accepted)
    except (OSError, ValueError):
        return


def _installed(package: str) -> list[str | int]:
    """Return what changes when a package is installed anew.

    Its version by `importlib.metadata` would take half the time that is saved here.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None or not Path(spec.origin).exists():
        return []
    found = Path(spec.origin).stat()
    return [spec.origin, found.st_size, found.st_mtime_ns]


def _read(file: Path) -> tuple[str, ...]:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    with open(os.open(file, flags), "rb") as stream:  # noqa: PTH123 - a descriptor has no path
        found = os.fstat(stream.fileno())
        if not stat.S_ISREG(found.st_mode) or not _is_ours(found, 0o077):
            return ()
        lines = stream.read(MOST * (_DIGEST_LENGTH + 1)).decode("ascii").split()
    return tuple(lines)


def _write(folder: Path, accepted: str) -> None:
    from tempfile import mkstemp

    folder.parent.mkdir(0o700, exist_ok=True)
    folder.mkdir(0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or not _is_ours(found, 0o022):
        return
    try:
        known = _read(folder / NAME)
    except (OSError, ValueError):
        known = ()
    kept = [*(line for line in known if line != accepted), accepted][-MOST:]
    descriptor, fresh = mkstemp(dir=folder, prefix=f".{NAME}-")  # mode 0600
    try:
        with open(descriptor, "w", encoding="ascii") as stream:  # noqa: PTH123 - the same
            stream.writelines(f"{line}\n" for line in kept)
        Path(fresh).replace(folder / NAME)
    except OSError:
        Path(fresh).unlink(missing_ok=True)
        raise


def _is_ours(found: os.stat_result, forbidden: int) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & forbidden


def _lies_in_a_side(folder: Path, manifest: Manifest) -> bool:
    """Whether writing into `folder` would change a side of a project."""
    real = Path(os.path.realpath(folder))
    above = {_identity(place) for place in (real, *real.parents)} - {None}
    locals_ = [project.local for project in manifest.projects if project.local is not None]
    shelves = [remote.root for remote in manifest.remotes if isinstance(remote, FolderRemote)]
    return any(_identity(side) in above for side in (*locals_, *shelves))


def _identity(place: Path) -> tuple[int, int] | None:
    try:
        found = place.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino

"""Keeps the file of one machine out of git: `init` adds `sync.local.yaml` to `.gitignore`."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from bm_sync.manifest.source import local_of

_MOST_BYTES = 1024 * 1024


class Ignored(Struct, frozen=True):
    """The `.gitignore` that was written, None when nothing had to be, and a line that says so."""

    file: str | None = None
    said: str = ""


def ignore_local(manifest: Path) -> Ignored:
    """Add the file of this machine to `.gitignore` beside `manifest`, in a git work tree only.

    A link is not followed, nothing that is there changes, and failing is said, not raised.
    """
    folder = manifest.absolute().parent
    if not any((place / ".git").exists() for place in (folder, *folder.parents)):
        return Ignored()
    name, file = local_of(manifest).name, manifest.with_name(".gitignore")
    try:
        added = _add(name, file)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return Ignored(said=f"add {name} to {file} yourself, it cannot be written: {reason}\n")
    if not added:
        return Ignored()
    return Ignored(str(file), f"{name} is for this machine alone: added to {file}\n")


def _add(name: str, file: Path) -> bool:
    """Append a line unless the file has one; return whether it was appended."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(file, flags, 0o666), "r+b", buffering=0) as stream:  # noqa: PTH123 - a descriptor
        text = stream.read(_MOST_BYTES + 1)
        if len(text) > _MOST_BYTES:
            raise ValueError("it is larger than 1 MiB")
        lines = text.decode("utf-8", "surrogateescape").splitlines()
        if not {name, f"/{name}"}.isdisjoint(line.strip() for line in lines):
            return False
        end = b"" if not text or text.endswith(b"\n") else b"\n"
        stream.write(end + os.fsencode(f"/{name}\n"))
    return True

"""A page in a file: written whole or not at all, never through a link, never over another file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from bm_sync.cli.render.page.document import GENERATOR
from bm_sync.cli.render.text import tame
from bm_sync.cli.whole_file import PRIVATE, replacing
from bm_sync.errors import UsageError

_HEAD_BYTES = 1024
_MARK = f'content="{GENERATOR}"'.encode()


def write_page(text: str, file: Path) -> None:
    """Write a page; a new one is readable by its owner alone, a replaced one keeps its mode.

    Raises UsageError for what is there and is no such page, for links, and for what the system
    refuses.
    """
    with replacing(file, "report", encoding="utf-8", mode=_mode(file)) as stream:
        stream.write(tame(text))


def _mode(file: Path) -> int:
    """Return the mode that the page is to have; refuse what must not be replaced."""
    for place in file.absolute().parents:
        if place.is_symlink() and place.lstat().st_uid not in {os.geteuid(), 0}:
            raise UsageError(f"{place} is a symbolic link of another user")
    try:
        known = file.lstat()
    except FileNotFoundError:
        return PRIVATE
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    if stat.S_ISLNK(known.st_mode):
        raise UsageError(f"{file} is a symbolic link", hint="name the file that it leads to")
    if not (stat.S_ISREG(known.st_mode) and _is_page(file)):
        raise UsageError(
            f"{file} is there and is no page of bm-sync; it is not replaced",
            hint="give --html another name, or - for standard output",
        )
    return stat.S_IMODE(known.st_mode)


def _is_page(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return _MARK in stream.read(_HEAD_BYTES)
    except OSError:
        return False

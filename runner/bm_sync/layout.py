"""What is bm-sync's own below the root of a side, and how it is named: the one table of it.

The trash, the staging folder, what is made for a run and taken away again, notes for other machines
all lie in one folder, `HOME`; half files carry the suffix `PARTIAL`. Neither is ever part of a
project. Nothing is read or written here.
"""

from __future__ import annotations

import hashlib
import unicodedata

HOME = ".bm-sync"
"""The folder below a side's root. It goes when nothing is left in it."""

PARTIAL = ".bmpart"
"""How names of files end that are not whole yet."""

TRASH = f"{HOME}/trash"
STAGING = f"{HOME}/staging"
NEW = f"{HOME}/new"  # versions that were made to be brought to both sides, meanwhile
SOURCE = f"{HOME}/from"  # what a near side on a remote keeps, apart from far sides beside it
PROBES = f"{HOME}/probes"  # small objects that a store is tried with
LEASE = f"{HOME}/lease.json"  # which run writes to a place, below that place
STATE = f"{HOME}/state"  # where the memory of projects lies on a remote, by default
FLEET = f"{HOME}/fleet"  # where each machine leaves how it stands, by default

UNSEEN = dict.fromkeys((*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070)))
UNSEEN[0xFEFF] = None
"""What HFS+ leaves out when it compares names; git guards against the same (git 2.45, utf8.c)."""


def trash(run: str, project: str) -> str:
    """Return where a run keeps what it replaces or deletes of a project, below the side's base."""
    return f"{TRASH}/{run}/{project}"


def kept_short(trash: str, path: str) -> str:
    """Return where a trash keeps a version whose path does not fit behind its own."""
    digest = hashlib.sha256(path.encode(errors="surrogatepass")).hexdigest()[:32]
    return f"{trash}/.long/{digest}"


def is_home(path: str) -> bool:
    """Return whether a path below a side's root lies in bm-sync's own folder, spelled exactly."""
    return path.startswith(f"{HOME}/")


def beside(file_for: str) -> tuple[str, str]:
    """Return how the name of a new file begins and ends that is put in place when it is whole."""
    return f"{HOME}-{file_for}-", PARTIAL


def is_ours(path: str) -> bool:
    """Return whether a path is bm-sync's own, or lies in a folder that is, on any file system."""
    if HOME not in path and PARTIAL not in path and path.isascii() and path.islower():
        return False
    return any(is_our_name(name) for name in path.split("/"))


def is_our_name(name: str) -> bool:
    """Return whether a name is a half file's, or one that some file system takes for `HOME`."""
    return name.endswith(PARTIAL) or folded(name) == HOME


def folded(name: str) -> str:
    """Return what two names have in common that some file system takes for one.

    APFS and SMB ignore case and normal forms, HFS+ also invisible letters, Windows what stands
    behind a colon (a stream of the file), and dots and blanks at the end.
    """
    if not name.isascii():
        name = unicodedata.normalize("NFC", name.translate(UNSEEN))
    return name.casefold().partition(":")[0].rstrip(". ")

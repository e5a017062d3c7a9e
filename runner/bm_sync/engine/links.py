"""Decides whether a walk follows a symbolic link: only inside the project, and never for ever.

It looks at nothing itself.
"""

from __future__ import annotations

import os
import stat

from msgspec import Struct

from bm_sync import layout
from bm_sync.engine.jail import Identity
from bm_sync.filters.matcher import Matcher

MAX_LINKS = 2  # folders that all link to each other would make a path for every order of them


class Folder(Struct, frozen=True):
    """A folder to read: where it lies below the root, and its path in the project ("" is the root).

    Both differ behind a link that is followed.

    `chain` holds its own identity and those of the folders above it, when links are followed;
    `links` counts the links to folders on the way to it.
    """

    disk: str
    path: str
    chain: tuple[Identity, ...]
    links: int = 0


def refusal(
    target: str, found: os.stat_result | None, folder: Folder, root: str, matcher: Matcher
) -> str | None:
    """Return why a link in `folder` is not followed, None when it is.

    `target` is the real path it leads to and `found` what is there; `root` is the real path of the
    project.
    """
    if found is None:
        return "a symbolic link that points to nothing, skipped"
    below = os.path.relpath(target, root)
    if below == ".." or below.startswith("../"):
        return "a symbolic link that leaves the project, skipped"
    closed = _closed(below, matcher, is_dir=stat.S_ISDIR(found.st_mode))
    if closed is not None:
        return f"a symbolic link {closed}, skipped"
    if stat.S_ISDIR(found.st_mode):
        return _folder_refusal((found.st_dev, found.st_ino), folder)
    if not stat.S_ISREG(found.st_mode):
        return "a symbolic link to neither a file nor a folder, skipped"
    return None


def _closed(below: str, matcher: Matcher, *, is_dir: bool) -> str | None:
    """Return how a link leads to what no run moves under any name, None when it does not."""
    if layout.is_ours(below):
        return "into bm-sync's own folder"
    verdict = matcher.verdict(below, is_dir=is_dir)
    if verdict.order is not None:
        return f"to what is {verdict.order.what}"
    return "into a git repository" if verdict.git else None


def _folder_refusal(target: Identity, folder: Folder) -> str | None:
    if target in folder.chain:
        return "a symbolic link to a folder that it lies in, skipped"
    if folder.links == MAX_LINKS:
        return f"a symbolic link to a folder behind {MAX_LINKS} others, skipped"
    return None

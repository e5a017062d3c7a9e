"""From a word to a file of a project: `PROJECT:PATH`, or a path in its local folder."""

from __future__ import annotations

from pathlib import Path

from bm_sync.cli.answer import Io
from bm_sync.cli.commands.why import locate
from bm_sync.errors import UsageError
from bm_sync.model.config import Manifest, Project

HELP = "a file in a project's local folder, or PROJECT:PATH; it need not be there any more"


def spot(manifest: Manifest, word: str, io: Io) -> tuple[Project, str]:
    """Return the project and the path below its roots; raises UsageError."""
    projects = {project.name: project for project in manifest.projects}
    name, colon, path = word.partition(":")
    if not colon or name not in projects:
        name, path = _located(manifest, word, io)
    path = path.removeprefix("./")
    if not path or any(part in ("", ".", "..") for part in path.split("/")):
        raise UsageError(f"{word!r} names no file of a project")
    return projects[name], path


def _located(manifest: Manifest, word: str, io: Io) -> tuple[str, str]:
    try:
        return locate(manifest, io.cwd / word)
    except UsageError as error:
        raise UsageError(error.what, hint="name it as PROJECT:PATH") from error


def outside(word: str, io: Io) -> Path:
    """Return a file of this machine, relative to where the command was typed."""
    return io.cwd / word

"""`bm-sync why`: tells why a path is synced or not, with the rule that decided."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path

from bm_sync.cli.answer import Answer, Io
from bm_sync.cli.context import context
from bm_sync.cli.render.report import why_text
from bm_sync.errors import UsageError
from bm_sync.model.config import Manifest


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "words",
        nargs="+",
        metavar="[NAME] PATH",
        help="a project and a path below its roots, or a path in a project's local folder",
    )


def run(args: Namespace, io: Io) -> Answer:
    """Find the project and the path, then the rule."""
    from bm_sync import api

    if len(args.words) > 2:  # noqa: PLR2004 - a project and a path
        raise UsageError("why takes a project and one path")
    here = context(args, io)
    word = args.words[-1]
    if len(args.words) == 1:
        name, path = locate(here.manifest, io.cwd / word)
    else:
        name, path = args.words[0], below(here.manifest, args.words[0], word)
    why = api.why(here.manifest, name, path)
    return Answer(text=partial(why_text, why), data=lambda: why)


def locate(manifest: Manifest, file: Path) -> tuple[str, str]:
    """Return the project whose local folder holds `file`, and the path below it.

    The last name is not resolved: a symbolic link is asked about, not what it points to.
    """
    place = file.parent.resolve() / file.name
    for project in manifest.projects:
        if project.local is not None and place.is_relative_to(project.local.resolve()):
            return project.name, place.relative_to(project.local.resolve()).as_posix()
    raise UsageError(
        f"{os.path.normpath(file)} lies in no project's local folder",
        hint="name the project: bm-sync why NAME PATH",
    )


def below(manifest: Manifest, name: str, word: str) -> str:
    """Return `word` relative to the project's roots; an absolute path must lie in its folder."""
    if not Path(word).is_absolute():
        return word.removeprefix("./")
    found, path = locate(manifest, Path(word))
    if found != name:
        raise UsageError(f"{word} lies in project {found}, not in {name}")
    return path

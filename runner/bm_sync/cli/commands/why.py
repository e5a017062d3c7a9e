"""`bm-sync why`: tells why a path is synced or not, with the rule that decided."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

from bm_sync.cli import loop
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
        help="a project and a path below its roots (also NAME:PATH), or a path in a local folder",
    )


def run(args: Namespace, io: Io) -> Answer:
    """Find the project and the path, then the rule."""
    from bm_sync import api

    here = context(args, io)
    asked = tuple(_asked(here.manifest, args.words, io.cwd))
    found = loop.run(api.why(here.manifest, asked, here.setup))
    return Answer(
        text=lambda: "".join(why_text(why, here.view) for why in found),
        data=lambda: found[0] if len(found) == 1 else found,
    )


def _asked(manifest: Manifest, words: Sequence[str], cwd: Path) -> Iterator[tuple[str, str]]:
    """Yield the projects and paths that are asked about: `NAME PATH`, `NAME:PATH` or `PATH`."""
    names = {p.name for p in (*manifest.projects, *(e.project for e in manifest.elsewhere))}
    left = list(words)
    alone = len(words) == 2 and not os.path.lexists(cwd / words[0])  # noqa: PLR2004 - NAME PATH
    while left:
        word = left.pop(0)
        name, colon, path = word.partition(":")
        if left and (word in names or alone):
            yield word, below(manifest, word, left.pop(0))
        elif colon and path and name in names:
            yield name, below(manifest, name, path)
        else:
            yield locate(manifest, cwd / word)
        alone = False


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

"""`bm-sync versions`: the kept versions of a file, on both sides."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial

from bm_sync.cli import loop
from bm_sync.cli.answer import Answer, Io
from bm_sync.cli.context import context
from bm_sync.cli.render.versions import versions_text
from bm_sync.cli.spot import HELP, spot


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", metavar="PATH", help=HELP)


def run(args: Namespace, io: Io) -> Answer:
    """List what is kept of the file."""
    from bm_sync import past_api

    here = context(args, io)
    project, path = spot(here.manifest, args.path, io)
    found = loop.run(past_api.versions(project, path, here.setup))
    return Answer(
        text=partial(versions_text, f"{project.name}:{path}", found, here.view),
        data=lambda: found,
    )

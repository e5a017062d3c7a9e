"""`bm-sync ls`: lists what lies on one side of a project, filtered."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial

from bm_sync.cli import loop
from bm_sync.cli.answer import Answer, Io
from bm_sync.cli.context import context
from bm_sync.cli.render.listing import listing_text
from bm_sync.model.tree import Side


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("project", metavar="NAME", help="the project")
    parser.add_argument("--local", action="store_true", help="the local folder, not the remote")


def run(args: Namespace, io: Io) -> Answer:
    """List one side."""
    from bm_sync import api

    here = context(args, io)
    side = Side.LOCAL if args.local else Side.REMOTE
    listing = loop.run(api.listing(here.manifest, args.project, side, here.setup))
    return Answer(text=partial(listing_text, listing), data=lambda: listing)

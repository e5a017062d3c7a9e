"""`bm-sync status`: the projects as last seen; looks at nothing anew."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial

from bm_sync.cli.answer import Answer, Io
from bm_sync.cli.context import context
from bm_sync.cli.render.report import status_text
from bm_sync.cli.selection import add_targets, select
from bm_sync.cli.target import names_and_manifest


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_targets(parser)


def run(args: Namespace, io: Io) -> Answer:
    """List the selected projects; without a selection the undeclared ones too."""
    from bm_sync import api

    found = names_and_manifest(args.targets)
    here = context(args, io, found)
    rows = api.status(here.manifest, select(args, found.names), here.setup)
    return Answer(text=partial(status_text, rows, here.view), data=lambda: rows)

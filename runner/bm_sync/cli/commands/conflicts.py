"""`bm-sync conflicts`: the conflicts that nobody has settled, each with what to do."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial

from bm_sync.cli.answer import Answer, Io
from bm_sync.cli.context import context
from bm_sync.cli.render.report import conflicts_text
from bm_sync.cli.selection import add_targets, select
from bm_sync.cli.target import names_and_manifest


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_targets(parser)


def run(args: Namespace, io: Io) -> Answer:
    """List the open conflicts of the selected projects."""
    from bm_sync import api

    found = names_and_manifest(args.targets)
    here = context(args, io, found)
    open_ones = api.conflicts(here.manifest, select(args, found.names), here.setup)
    roots = {p.name: p.local for p in here.manifest.projects if p.local is not None}
    return Answer(text=partial(conflicts_text, open_ones, roots, here.view), data=lambda: open_ones)

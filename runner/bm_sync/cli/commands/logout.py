"""`bm-sync logout`: forgets the sign-in of `bm-sync login` on this machine."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial

from bm_sync.cli import loop
from bm_sync.cli.answer import Answer, Io
from bm_sync.cli.context import setup, view
from bm_sync.cli.render.cloud import logout_text


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--host", metavar="URL", help="another service than the one Basic Memory uses here"
    )


def run(args: Namespace, io: Io) -> Answer:
    """Sign out here; a second time does nothing."""
    from bm_sync import cloud_api

    report = loop.run(cloud_api.logout(setup(args, io), args.host))
    return Answer(
        text=partial(logout_text, report, view(args, io)),
        data=lambda: report,
        quiet=report.remains is None,
    )

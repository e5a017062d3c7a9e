"""`bm-sync reset`: forgets what both sides of a project last agreed on; touches no file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial

from bm_sync.cli.answer import Answer, Failure, Io
from bm_sync.cli.context import context
from bm_sync.cli.render.report import reset_text
from bm_sync.errors import Exit, UsageError


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "project", nargs="?", metavar="NAME", help="the project; also one no longer declared"
    )
    parser.add_argument(
        "--key",
        metavar="KEY",
        help="instead of a name: a project that is not declared, as bm-sync status names it",
    )
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


def run(args: Namespace, io: Io) -> Answer:
    """Ask on a terminal, then forget."""
    from bm_sync import api

    if args.json and io.asks() and not args.yes:
        raise UsageError("reset --json asks nothing", hint="add --yes")
    if (args.project is None) is (args.key is None):
        raise UsageError("reset takes a project, or --key KEY", hint="see: bm-sync status")
    here = context(args, io)
    if io.asks() and not args.yes:
        if args.key is None:
            io.say("The next run compares both sides anew: it deletes nothing and keeps both\n")
            io.say("versions of every file that differs.\n")
        if not io.ask(f"Forget what both sides of {args.project or args.key} agreed on?"):
            said = "nothing was changed"
            return Answer(lambda: f"{said}\n", lambda: None, Exit.FAILED, (Failure(said),))
    report = api.reset(here.manifest, args.project, here.setup, key=args.key)
    return Answer(text=partial(reset_text, report), data=lambda: report)

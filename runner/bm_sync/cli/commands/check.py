"""`bm-sync check`: compares both sides by content; changes nothing."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial

from bm_sync.cli import loop
from bm_sync.cli.answer import Answer, Io
from bm_sync.cli.context import context
from bm_sync.cli.render.report import check_text
from bm_sync.cli.selection import add_jobs, add_targets, select, whole_number
from bm_sync.cli.sharding import add_shard, own_share
from bm_sync.cli.target import names_and_manifest
from bm_sync.cli.verdict import check_exit, check_failures
from bm_sync.errors import Exit


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_targets(parser)
    add_shard(parser)
    parser.add_argument(
        "--sample",
        type=whole_number,
        metavar="N",
        help="read only N files of each project, chosen at random",
    )
    parser.add_argument("--all-files", action="store_true", help="list every difference")
    add_jobs(parser)


def run(args: Namespace, io: Io) -> Answer:
    """Compare the selected projects."""
    from bm_sync import api

    found = names_and_manifest(args.targets)
    here = own_share(context(args, io, found), found.names, args, io)
    work = api.check(here.manifest, select(args, found.names), here.setup, sample=args.sample)
    checks = loop.run(work)
    code = check_exit(checks)
    return Answer(
        text=partial(check_text, checks, here.view),
        data=lambda: checks,
        exit=code,
        errors=check_failures(checks),
        quiet=code is Exit.OK,
    )

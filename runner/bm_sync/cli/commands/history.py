"""`bm-sync history`: the runs, or every action of one run."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial

from bm_sync.cli.answer import Answer, Io
from bm_sync.cli.context import setup, view
from bm_sync.cli.render.listing import history_text
from bm_sync.cli.render.run import record_text
from bm_sync.cli.selection import whole_number
from bm_sync.state.wire import run_to_json
from bm_sync.structs import replace


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "run", nargs="?", metavar="RUN", help="a run, by its id or the beginning of it"
    )
    parser.add_argument("--project", metavar="NAME", help="only runs that had this project")
    parser.add_argument(
        "--limit", type=whole_number, default=20, metavar="N", help="how many (default: 20)"
    )


def run(args: Namespace, io: Io) -> Answer:
    """List the runs, the newest first, or show one."""
    from bm_sync import api

    here = view(args, io)
    if args.run is not None:
        record = api.run_record(setup(args, io), args.run)
        return Answer(
            text=partial(record_text, record, replace(here, cap=None)),
            data=partial(run_to_json, record),
        )
    runs = api.history(setup(args, io), limit=args.limit, project=args.project)
    return Answer(
        text=partial(history_text, runs, here),
        data=lambda: [run_to_json(record) for record in runs],
    )

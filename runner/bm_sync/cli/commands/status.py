"""`bm-sync status`: the projects as last seen; looks at nothing anew."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from bm_sync.cli import loop
from bm_sync.cli.answer import Answer, Failure, Io
from bm_sync.cli.context import context
from bm_sync.cli.render.report import failing, since_text, status_text
from bm_sync.cli.render.view import View
from bm_sync.cli.selection import add_targets, age_s, select
from bm_sync.cli.sharding import add_shard, own_share
from bm_sync.cli.target import names_and_manifest
from bm_sync.errors import Exit
from bm_sync.model.config import Placement
from bm_sync.model.report import ProjectStatus


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_targets(parser)
    add_shard(parser)
    parser.add_argument(
        "--failed", action="store_true", help="only projects whose last run left work for you"
    )
    parser.add_argument(
        "--max-age",
        type=age_s,
        metavar="TIME",
        help="exit 1 when a project was not in sync for longer, such as 2h; with -q say only that",
    )


def run(args: Namespace, io: Io) -> Answer:
    """List the selected projects; without a selection the undeclared ones too."""
    from bm_sync import api

    found = names_and_manifest(args.targets)
    here = own_share(context(args, io, found), found.names, args, io)
    where = (here.manifest, select(args, found.names), here.setup)
    shared = here.manifest.state is not None
    rows = loop.run(api.shared_status(*where)) if shared else api.status(*where)
    declared = bool(rows)
    if args.failed:
        rows = tuple(row for row in rows if failing(row))
    late = () if args.max_age is None else overdue(rows, args.max_age, here.view.now)
    return Answer(
        text=partial(status_text, rows, here.view, late=late)
        if rows or not declared
        else lambda: "no project's last run left work for you\n",
        data=lambda: rows,
        exit=Exit.FAILED if late else Exit.OK,
        errors=tuple(_failure(row, here.view) for row in late),
        quiet=not late and (args.max_age is not None or not any(map(failing, rows))),
    )


def overdue(
    rows: Sequence[ProjectStatus], most_s: float, now: datetime
) -> tuple[ProjectStatus, ...]:
    """Return the projects of this machine with two sides not in sync for `most_s` seconds."""
    mine = (row for row in rows if row.elsewhere is None)
    synced = [row for row in mine if row.placement is Placement.SYNCED]
    return tuple(
        row
        for row in synced
        if row.converged is None
        or (now - datetime.fromisoformat(row.converged)).total_seconds() > most_s
    )


def _failure(row: ProjectStatus, view: View) -> Failure:
    return Failure(
        f"{row.project} {since_text(row, view)}",
        view.command("apply", row.project),
        project=row.project,
    )

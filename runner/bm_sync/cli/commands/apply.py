"""`bm-sync apply`: moves exactly what the plan shows, then says what was done and what was not."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from bm_sync.cli import loop
from bm_sync.cli.acceptance import accept
from bm_sync.cli.acting import act, add_acting, refuse_to_ask, typed
from bm_sync.cli.answer import Answer, Io
from bm_sync.cli.context import Context, context
from bm_sync.cli.plans import plan_answer
from bm_sync.cli.saved import read_plan
from bm_sync.cli.selection import (
    add_metrics,
    add_plan_options,
    add_schedule,
    add_targets,
    select,
)
from bm_sync.cli.sharding import add_shard, own_share
from bm_sync.cli.target import Targets, targets
from bm_sync.errors import UsageError


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_targets(parser, saved=True)
    add_shard(parser)
    add_schedule(parser)
    add_acting(parser)
    add_plan_options(parser)
    parser.add_argument(
        "--ignore-conditions",
        action="store_true",
        help="sync even on battery, on a metered network, out of hours, on a full disk",
    )
    add_metrics(parser)


def run(args: Namespace, io: Io) -> Answer:
    """Apply a manifest, a selection of it, or a saved plan."""
    found = targets(args.targets)
    refuse_to_ask(args, io)
    if found.saved is not None:
        return _saved(found, found.saved, args, io)
    return _declared(found, args, io)


def _declared(found: Targets, args: Namespace, io: Io) -> Answer:
    from bm_sync import api
    from bm_sync.engine import selecting

    here = own_share(context(args, io, found), found.names, args, io)
    where = (here.manifest, select(args, found.names), here.setup)
    if args.schedule and not selecting.select(here.manifest, where[1]):
        return _outlived(args.schedule, here)
    let_through, keep = accept(args.accept), bool(args.keep_deleted)
    if args.dry_run:
        work = api.plan(*where, accept=let_through, keep_deleted=keep)
        return plan_answer(loop.run(work), here.view)
    return act(
        lambda question, watcher: api.apply(
            *where,
            accept=let_through,
            keep_deleted=keep,
            confirm=question,
            on_event=watcher,
            command=typed("apply", io),
            wait_s=args.wait,
            ignore_conditions=args.ignore_conditions,
        ),
        here,
        args,
        io,
    )


def _outlived(schedules: Sequence[str], here: Context) -> Answer:
    """Return what a timer says whose projects are gone: nothing to do, and no failure."""
    said = f"no project has the schedule {', '.join(schedules)} now"
    way = here.view.command("schedule", "install")
    return Answer(
        text=lambda: f"{said}; bring the timers up to date: {way}\n",
        data=lambda: None,
        quiet=True,
    )


def _saved(found: Targets, file: Path, args: Namespace, io: Io) -> Answer:
    from bm_sync import api

    if found.names or args.tag or args.shard or args.schedule or args.accept or args.keep_deleted:
        raise UsageError(
            f"{file} is a saved plan and is applied as it is",
            hint="give names, --tag, --shard, --accept and --keep-deleted to: "
            "bm-sync plan --out FILE",
        )
    saved = read_plan(file, io.env)
    here = context(args, io, found)
    if args.dry_run:
        return plan_answer(loop.run(api.plan_saved(here.manifest, saved, here.setup)), here.view)
    return act(
        lambda question, watcher: api.apply_saved(
            here.manifest,
            saved,
            here.setup,
            confirm=question,
            on_event=watcher,
            command=typed("apply", io),
            wait_s=args.wait,
            ignore_conditions=args.ignore_conditions,
        ),
        here,
        args,
        io,
    )

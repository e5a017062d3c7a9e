"""`bm-sync undo`: takes back what a run did, on both sides, as a run of its own."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from bm_sync.cli import loop
from bm_sync.cli.acceptance import accept
from bm_sync.cli.acting import act, add_acting, refuse_to_ask, typed
from bm_sync.cli.answer import Answer, Io
from bm_sync.cli.context import Context, context
from bm_sync.cli.plans import plan_answer
from bm_sync.cli.selection import add_jobs
from bm_sync.model.past import Undo
from bm_sync.model.plan import Plan
from bm_sync.structs import replace


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "run",
        nargs="?",
        metavar="RUN",
        help="a run, by its id or the beginning of it; default: the last one that changed a file",
    )
    parser.add_argument(
        "--project",
        action="append",
        default=[],
        metavar="NAME",
        help="only what it did to this project (a name or a glob; repeatable)",
    )
    parser.add_argument(
        "--path",
        action="append",
        default=[],
        metavar="GLOB",
        help="only these paths of the project, or all below a folder (repeatable)",
    )
    parser.add_argument(
        "--accept",
        action="append",
        default=[],
        metavar="WHAT",
        help="let exactly this much through the guards: delete=N, overwrite=N, bytes=N, listing=N, "
        "device, device=FOLDER",
    )
    add_acting(parser)
    add_jobs(parser)
    parser.add_argument(
        "--all-files", action="store_true", help="list every file, not the first 20 of a project"
    )


def run(args: Namespace, io: Io) -> Answer:
    """Plan to take the run back, ask, do it."""
    from bm_sync import past_api

    refuse_to_ask(args, io)
    here = context(args, io)
    named = Undo(args.run, tuple(args.project), tuple(args.path), accept(args.accept))
    wanted = past_api.resolve_undo(here.manifest, named, here.setup)
    run_id = wanted.run or ""
    here = replace(here, view=replace(here.view, verb=("undo", run_id)))
    if args.dry_run:
        plan = loop.run(past_api.plan_undo(here.manifest, wanted, here.setup))
        return plan_answer(plan, here.view, following=_following(args, here, plan))
    command = typed("undo", io, *(() if args.run else (run_id,)))
    return act(
        lambda question, watcher: past_api.undo(
            here.manifest,
            wanted,
            here.setup,
            confirm=question,
            on_event=watcher,
            command=command,
            wait_s=args.wait,
        ),
        here,
        args,
        io,
    )


def _following(args: Namespace, here: Context, plan: Plan) -> str | None:
    """Return the command that does this plan, None when there is nothing to do."""
    if not any(project.moves and not project.stops for project in plan.projects):
        return None
    words = [word for name in args.project for word in ("--project", name)]
    words += [word for glob in args.path for word in ("--path", glob)]
    words += [word for given in args.accept for word in ("--accept", given)]
    return f"do this: {here.view.command(*here.view.verb, *words)}"

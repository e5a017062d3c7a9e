"""`bm-sync plan`: shows every file that would move; changes nothing but the file of `--out`."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path

from bm_sync.cli import loop
from bm_sync.cli.acceptance import accept
from bm_sync.cli.answer import Answer, Io
from bm_sync.cli.context import Context, context
from bm_sync.cli.plans import plan_answer
from bm_sync.cli.render.markdown import plan_markdown
from bm_sync.cli.saved import write_plan
from bm_sync.cli.selection import add_no_commands, add_plan_options, add_targets, select
from bm_sync.cli.sharding import add_shard, own_share
from bm_sync.cli.target import names_and_manifest
from bm_sync.errors import Exit
from bm_sync.model.plan import Plan
from bm_sync.structs import replace


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_targets(parser)
    add_shard(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="save the plan, for: bm-sync apply FILE"
    )
    parser.add_argument(
        "--exit-code", action="store_true", help="exit 10 when there is something to do"
    )
    parser.add_argument(
        "--format",
        choices=("text", "markdown", "json"),
        default="text",
        help="markdown: a comment for a pull request; json: as --out saves it (default: text)",
    )
    add_plan_options(parser)
    add_no_commands(parser)


def run(args: Namespace, io: Io) -> Answer:
    """Make the plan, save it when asked, return it."""
    from bm_sync import api

    found = names_and_manifest(args.targets)
    here = own_share(context(args, io, found), found.names, args, io)
    plan = loop.run(
        api.plan(
            here.manifest,
            select(args, found.names),
            here.setup,
            accept=accept(args.accept),
            keep_deleted=args.keep_deleted,
        )
    )
    if args.out is not None:
        write_plan(plan, args.out)
    following = _following(args, here, found.names, plan)
    answer = plan_answer(plan, here.view, exit_code=args.exit_code, following=following)
    match args.format:
        case "markdown":
            return replace(answer, text=partial(plan_markdown, plan, here.view))
        case "json":
            return replace(answer, text=lambda: json.dumps(answer.data()) + "\n")
        case _:
            return answer


def _following(args: Namespace, here: Context, names: tuple[str, ...], plan: Plan) -> str | None:
    """Return the command that does exactly this plan, None when there is nothing to do.

    A plan that stops a project exits 3, so it is not joined by `&&` then.
    """
    if not any(project.moves and not project.stops for project in plan.projects):
        return None
    file = "today.plan" if args.out is None else str(args.out)
    do_it = here.view.command("apply", file)
    if args.out is not None:
        return f"apply exactly this: {do_it}"
    words = [*names, *(word for tag in args.tag for word in ("--tag", tag))]
    words += [word for given in args.accept for word in ("--accept", given)]
    words += ["--shard", str(args.shard)] if args.shard else []
    words += ["--keep-deleted"] if args.keep_deleted else []
    save_it = here.view.command("plan", *words, "--out", file)
    joint = " && " if plan.exit is Exit.OK else "; "
    return f"save a plan and apply exactly that: {save_it}{joint}{do_it}"

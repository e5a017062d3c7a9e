"""`bm-sync apply`: moves exactly what the plan shows, then says what was done and what was not."""

from __future__ import annotations

import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bm_sync.cli import loop
from bm_sync.cli.acceptance import accept
from bm_sync.cli.answer import Answer, Failure, Io
from bm_sync.cli.context import Context, context
from bm_sync.cli.plans import plan_answer
from bm_sync.cli.progress import KINDS, Watcher, watching
from bm_sync.cli.question import Question
from bm_sync.cli.render.run import run_text
from bm_sync.cli.saved import read_plan
from bm_sync.cli.selection import add_plan_options, add_targets, select
from bm_sync.cli.target import Targets, targets
from bm_sync.cli.verdict import run_failures
from bm_sync.errors import Exit, UsageError
from bm_sync.model.run import Status
from bm_sync.state.wire import run_to_json

if TYPE_CHECKING:
    from bm_sync.model.report import Applied


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_targets(parser, saved=True)
    parser.add_argument(
        "-y",
        "--yes",
        action="store_true",
        help="do not ask (without a terminal nothing is asked anyway)",
    )
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="show the plan, change nothing"
    )
    add_plan_options(parser)
    parser.add_argument(
        "--progress",
        choices=KINDS,
        default="auto",
        help="on standard error: live bars, plain lines, JSON lines, nothing (default: auto)",
    )


def run(args: Namespace, io: Io) -> Answer:
    """Apply a manifest, a selection of it, or a saved plan."""
    found = targets(args.targets)
    if args.json and io.asks() and not (args.yes or args.dry_run):
        raise UsageError("apply --json asks nothing", hint="add --yes, or --dry-run to only look")
    if found.saved is not None:
        return _saved(found, found.saved, args, io)
    return _declared(found, args, io)


def _declared(found: Targets, args: Namespace, io: Io) -> Answer:
    from bm_sync import api

    here = context(args, io, found)
    where = (here.manifest, select(args, found.names), here.setup)
    let_through, keep = accept(args.accept), bool(args.keep_deleted)
    if args.dry_run:
        work = api.plan(*where, accept=let_through, keep_deleted=keep)
        return plan_answer(loop.run(work), here.view)
    return _act(
        lambda question, watcher: api.apply(
            *where,
            accept=let_through,
            keep_deleted=keep,
            confirm=question,
            on_event=watcher,
            command=_typed(io),
        ),
        here,
        args,
        io,
    )


def _saved(found: Targets, file: Path, args: Namespace, io: Io) -> Answer:
    from bm_sync import api

    if found.names or args.tag or args.accept or args.keep_deleted:
        raise UsageError(
            f"{file} is a saved plan and is applied as it is",
            hint="give names, --tag, --accept and --keep-deleted to: bm-sync plan --out FILE",
        )
    saved = read_plan(file)
    manifest = found.manifest or (None if args.manifest else Path(saved.manifest))
    here = context(args, io, Targets(manifest=manifest))
    if args.dry_run:
        return plan_answer(saved, here.view)
    return _act(
        lambda question, watcher: api.apply_saved(
            here.manifest,
            saved,
            here.setup,
            confirm=question,
            on_event=watcher,
            command=_typed(io),
        ),
        here,
        args,
        io,
    )


def _typed(io: Io) -> str:
    """Return the command line, the command first, for the record and the lock's note."""
    words = list(io.words)
    if "apply" in words:
        words.remove("apply")
    return shlex.join(["apply", *words])


def _act(
    work: Callable[[Question, Watcher], Coroutine[object, object, Applied]],
    here: Context,
    args: Namespace,
    io: Io,
) -> Answer:
    question = Question(args, io, here.view)
    with watching(args, io) as watcher:
        applied = loop.run(work(question, watcher))
    if applied.run is None:
        question.raise_if_interrupted()
        said = Failure("nothing was changed")
        return Answer(lambda: f"{said.what}\n", lambda: None, Exit.FAILED, (said,))
    if applied.notice is not None and not args.json:
        io.err.write(f"{applied.notice}\n")
    run = applied.run
    return Answer(
        text=partial(run_text, run, here.view, files=args.all_files),
        data=partial(run_to_json, run),
        exit=Exit(run.exit),
        errors=run_failures(run, here.view),
        quiet=all(project.status is Status.IN_SYNC for project in run.projects),
    )

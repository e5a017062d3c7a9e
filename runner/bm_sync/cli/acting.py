"""Carries a plan out with a question before it and bars meanwhile, and answers what was done."""

from __future__ import annotations

import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING

from bm_sync.cli import loop
from bm_sync.cli.answer import Answer, Failure, Io
from bm_sync.cli.context import Context
from bm_sync.cli.progress import KINDS, Watcher, watching
from bm_sync.cli.question import Question
from bm_sync.cli.render.run import run_text
from bm_sync.cli.render.text import escape
from bm_sync.cli.selection import add_wait
from bm_sync.cli.verdict import run_failures
from bm_sync.errors import Exit, UsageError
from bm_sync.state.wire import run_to_json

if TYPE_CHECKING:
    from bm_sync.model.report import Applied


def add_acting(parser: ArgumentParser) -> None:
    """Declare what every command takes that shows a plan, asks, and carries it out."""
    parser.add_argument(
        "-y",
        "--yes",
        action="store_true",
        help="do not ask (without a terminal nothing is asked anyway)",
    )
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="show the plan, change nothing"
    )
    parser.add_argument(
        "--progress",
        choices=KINDS,
        default="auto",
        help="on standard error: live bars, plain lines, JSON lines, nothing (default: auto)",
    )
    add_wait(parser)


def refuse_to_ask(args: Namespace, io: Io) -> None:
    """Raise `UsageError` when JSON is wanted where a question would be put."""
    if args.json and io.asks() and not (args.yes or args.dry_run):
        hint = "add --yes, or --dry-run to only look"
        raise UsageError(f"{args.command} --json asks nothing", hint=hint)


def typed(command: str, io: Io, *more: str) -> str:
    """Return the command line, the command first, for the record and the lock's note."""
    words = list(io.words)
    if command in words:
        words.remove(command)
    return shlex.join([command, *more, *words])


def act(
    work: Callable[[Question, Watcher], Coroutine[object, object, Applied]],
    here: Context,
    args: Namespace,
    io: Io,
) -> Answer:
    """Do `work`, which asks before anything is touched; return what was done."""
    question = Question(args, io, here.view)
    with watching(args, io) as watcher:
        applied = loop.run(work(question, watcher))
    if applied.run is None:
        question.asker.raise_if_interrupted()
        said = Failure("nothing was changed")
        return Answer(lambda: f"{said.what}\n", lambda: None, Exit.FAILED, (said,))
    if applied.notice is not None and not args.json:
        io.say(f"{escape(applied.notice)}\n")
    run, trouble = applied.run, applied.trouble
    if trouble is not None and not args.json:
        io.say(f"{escape(trouble)}\n")
    around = () if trouble is None else (Failure(trouble),)
    return Answer(
        text=partial(run_text, run, here.view, files=args.all_files, warnings=applied.warnings),
        data=partial(run_to_json, run),
        exit=Exit(run.exit),
        errors=(*run_failures(run, here.view), *around),
        quiet=all(p.fine or p.status.quiet for p in run.projects),
    )

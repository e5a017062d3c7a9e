"""`bm-sync restore`: brings a kept version of a file back to its path, or writes it elsewhere."""

from __future__ import annotations

import sys
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path

from bm_sync.cli import loop
from bm_sync.cli.acting import act, add_acting, refuse_to_ask, typed
from bm_sync.cli.answer import Answer, Io
from bm_sync.cli.context import Context, context
from bm_sync.cli.plans import plan_answer
from bm_sync.cli.render.text import escape
from bm_sync.cli.spot import HELP, outside, spot
from bm_sync.errors import UsageError
from bm_sync.model.config import Project
from bm_sync.model.past import KeptVersion


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", metavar="PATH", help=HELP)
    parser.add_argument(
        "--at",
        required=True,
        metavar="RUN|TIME",
        help="the version that this run replaced, or that stood at this time (2026-11-22T07:15)",
    )
    parser.add_argument(
        "--to", metavar="FILE", help="write it to a new file instead; - prints it as it is"
    )
    add_acting(parser)
    parser.set_defaults(all_files=False)


def run(args: Namespace, io: Io) -> Answer:
    """Find the version, then bring it back."""
    from bm_sync import past_api

    here = context(args, io)
    project, path = spot(here.manifest, args.path, io)
    if args.to == "-":
        return _printed(args, here, (project, path))
    refuse_to_ask(args, io)
    version = loop.run(past_api.version_at(project, path, args.at, here.setup))
    if args.to is not None:
        return _written(outside(args.to, io), here, project, version)
    if args.dry_run:
        work = past_api.plan_restore(here.manifest, project, version, here.setup)
        return plan_answer(loop.run(work), here.view)
    return act(
        lambda question, watcher: past_api.restore(
            here.manifest,
            project,
            version,
            here.setup,
            confirm=question,
            on_event=watcher,
            command=typed("restore", io),
            wait_s=args.wait,
        ),
        here,
        args,
        io,
    )


def _written(target: Path, here: Context, project: Project, version: KeptVersion) -> Answer:
    from bm_sync import past_api

    loop.run(past_api.fetch_version(project, version, target, here.setup))
    said = f"wrote {escape(str(target))}: {escape(version.path)} as it stood before {version.run}\n"
    return Answer(lambda: said, lambda: {"file": str(target), "version": version}, quiet=True)


def _printed(args: Namespace, here: Context, where: tuple[Project, str]) -> Answer:
    """Print the bytes of a version as they are."""
    from bm_sync import past_api

    if args.json:
        raise UsageError("restore --to - prints a file, not JSON", hint="name a file with --to")
    project, path = where
    version = loop.run(past_api.version_at(project, path, args.at, here.setup))
    with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
        copy = Path(scratch) / "copy"
        loop.run(past_api.fetch_version(project, version, copy, here.setup))
        with copy.open("rb") as file:
            while chunk := file.read(1 << 20):
                sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
    return Answer(lambda: "", lambda: None)

"""`bm-sync show`: prints the manifest with everything resolved, or a saved plan."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path

from bm_sync.cli.answer import Answer, Io
from bm_sync.cli.context import load, manifest_file, read, view
from bm_sync.cli.render.view import View
from bm_sync.cli.selection import add_no_commands
from bm_sync.cli.target import targets
from bm_sync.errors import UsageError
from bm_sync.manifest import show
from bm_sync.structs import replace


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="a manifest or a saved plan (default: sync.yaml here or in a parent folder)",
    )
    parser.add_argument(
        "--origins", action="store_true", help="of a manifest: say which line said each value"
    )
    parser.add_argument(
        "--rules",
        action="store_true",
        help="of a manifest: list the patterns of ignore files that lie beside it, too",
    )
    parser.add_argument("--all-files", action="store_true", help="of a saved plan: list every file")
    add_no_commands(parser)


def run(args: Namespace, io: Io) -> Answer:
    """Return the resolved manifest; secrets are shown as their references."""
    found = targets([] if args.file is None else [args.file])
    if found.names:
        raise UsageError(f"{args.file!r} is neither a manifest nor a saved plan")
    if found.saved is not None:
        if args.origins:
            raise UsageError("--origins is for a manifest; a saved plan names the lines itself")
        return _saved(found.saved, io, view(args, io))
    file = manifest_file(args, io, found.manifest)
    if args.origins:
        from bm_sync.manifest import origins

        loaded = read(file, args, io)
        return Answer(text=partial(origins.text, loaded), data=partial(origins.data, loaded))
    manifest = load(file, args, io)
    return Answer(
        text=partial(show.text, manifest, rules=args.rules),
        data=partial(show.data, manifest, rules=args.rules),
    )


def _saved(file: Path, io: Io, here: View) -> Answer:
    from bm_sync.cli.plans import plan_answer
    from bm_sync.cli.render.plan import saved_text
    from bm_sync.cli.saved import read_plan

    plan = read_plan(file, io.env)
    return replace(plan_answer(plan, here), text=partial(saved_text, plan, here, str(file)))

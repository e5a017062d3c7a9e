"""`bm-sync validate`: finds every slip in the manifest; looks at nothing else."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial

from bm_sync import manifest
from bm_sync.cli.answer import Answer, Failure, Io
from bm_sync.cli.context import manifest_file, state
from bm_sync.cli.render.text import count, escape
from bm_sync.cli.selection import add_manifest
from bm_sync.errors import Exit
from bm_sync.manifest import formats
from bm_sync.manifest.diagnostic import ManifestError
from bm_sync.model.config import Manifest
from bm_sync.model.diagnostic import Diagnostic


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_manifest(parser)
    parser.add_argument(
        "--format",
        choices=formats.FORMATS,
        default="text",
        help="how slips are told (default: text)",
    )


def run(args: Namespace, io: Io) -> Answer:
    """Load the manifest and return what was found."""
    file = manifest_file(args, io, args.file)
    try:
        loaded = manifest.load(file, io.env, state_dir=state(args, io))
    except ManifestError as error:
        return _answer(error.diagnostics, None, args.format)
    return _answer(loaded.warnings, loaded.manifest, args.format)


def _answer(slips: tuple[Diagnostic, ...], found: Manifest | None, form: formats.Format) -> Answer:
    return Answer(
        text=partial(_text, slips, found, form),
        data=lambda: {"valid": found is not None, "diagnostics": formats.as_data(slips)},
        exit=Exit.USAGE if found is None else Exit.OK,
        errors=tuple(failure(slip) for slip in slips if slip.severity == "error"),
        quiet=not slips,
    )


def failure(slip: Diagnostic) -> Failure:
    """Return a slip as an entry of the envelope."""
    return Failure(f"{slip.file}:{slip.line}:{slip.column}: {slip.what}", slip.hint, slip.code)


def _text(slips: tuple[Diagnostic, ...], found: Manifest | None, form: formats.Format) -> str:
    if form != "text":
        return formats.render(slips, form)
    said = formats.text(slips)
    if found is None:
        return said
    projects = count(len(found.projects), "project")
    remotes = count(len(found.remotes), "remote")
    return f"{said}{escape(str(found.file))}: {projects}, {remotes}, no error\n"

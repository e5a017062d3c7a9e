"""`bm-sync validate`: finds every slip in the manifest; looks at nothing else."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bm_sync.cli.answer import Answer, Failure, Io
from bm_sync.cli.context import manifest_file, read, setup
from bm_sync.cli.render.text import count, escape
from bm_sync.cli.selection import add_no_commands
from bm_sync.errors import BmSyncError, Exit
from bm_sync.manifest import formats
from bm_sync.manifest.codes import Code
from bm_sync.manifest.diagnostic import ManifestError
from bm_sync.manifest.shown import quoted
from bm_sync.model.config import Manifest
from bm_sync.model.diagnostic import Diagnostic

Read = tuple[tuple[Diagnostic, ...], Manifest | None]
"""What is wrong with a manifest, and the manifest when it can be used."""


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="manifests (default: sync.yaml here or in a parent folder)",
    )
    parser.add_argument(
        "--format",
        choices=formats.FORMATS,
        default="text",
        help="how slips are told (default: text)",
    )
    add_no_commands(parser)


def run(args: Namespace, io: Io) -> Answer:
    """Load every manifest that is named and return what was found."""
    files = [manifest_file(args, io, file) for file in args.files or [None]]
    read = [_read(file, args, io) for file in files]
    slips = tuple(slip for found, _ in read for slip in found)
    valid = all(loaded is not None for _, loaded in read)
    return Answer(
        text=partial(_texts, read, args.format),
        data=lambda: {"valid": valid, "diagnostics": formats.as_data(slips)},
        exit=Exit.OK if valid else Exit.USAGE,
        errors=tuple(failure(slip) for slip in slips if slip.severity == "error"),
        quiet=not slips,
    )


def _read(file: Path, args: Namespace, io: Io) -> Read:
    try:
        loaded = read(file, args, io)
    except ManifestError as error:
        return error.diagnostics, None
    return (*loaded.warnings, *_needless(loaded.manifest, args, io)), loaded.manifest


def _needless(manifest: Manifest, args: Namespace, io: Io) -> list[Diagnostic]:
    """Return a warning for each `was` that has done its work here."""
    if all(project.was is None for project in manifest.projects):
        return []
    from bm_sync import api

    try:
        done = api.needless_was(manifest, setup(args, io))
    except BmSyncError:
        return []  # the state is not what is validated
    found = []
    for project in done:
        assert project.was is not None  # noqa: S101 - that is what they have in common
        at = project.was.origin
        what = f"the project {quoted(project.name)} has its memory: was has done its work here"
        hint = "take it out when every machine that uses this manifest has synced"
        found.append(Diagnostic(Code.WAS, "warning", what, at.file, at.line, at.column, hint=hint))
    return found


def failure(slip: Diagnostic) -> Failure:
    """Return a slip as an entry of the envelope."""
    return Failure(f"{slip.file}:{slip.line}:{slip.column}: {slip.what}", slip.hint, slip.code)


def _texts(read: Sequence[Read], form: formats.Format) -> str:
    if form != "text":
        return formats.render(tuple(slip for slips, _ in read for slip in slips), form)
    return "".join(_text(slips, found) for slips, found in read)


def _text(slips: tuple[Diagnostic, ...], found: Manifest | None) -> str:
    said = formats.text(slips)
    if found is None:
        return said
    projects = count(len(found.projects), "project")
    remotes = count(len(found.remotes), "remote")
    return f"{said}{escape(str(found.file))}: {projects}, {remotes}, no error\n"

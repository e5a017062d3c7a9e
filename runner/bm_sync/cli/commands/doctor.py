"""`bm-sync doctor`: looks at rclone, the state, the remotes and the folders; a line each."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator
from functools import partial

from bm_sync.cli import loop
from bm_sync.cli.answer import Answer, Failure, Io
from bm_sync.cli.context import load, manifest_file, setup, view
from bm_sync.cli.render.report import doctor_text
from bm_sync.cli.render.text import count
from bm_sync.cli.selection import add_manifest
from bm_sync.errors import Exit, RcloneMissingError, StateError, UsageError
from bm_sync.model.config import Manifest
from bm_sync.model.report import Finding, Health


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_manifest(parser)
    parser.add_argument(
        "--create-bucket",
        metavar="REMOTE",
        help="make the bucket that the root of a remote names, then look at everything",
    )


def run(args: Namespace, io: Io) -> Answer:
    """Examine everything that can be examined, with or without a good manifest."""
    from bm_sync import api

    manifest, first = _manifest(args, io)
    around, making = setup(args, io), args.create_bucket
    found = loop.run(_all(api.doctor(manifest, around, create_bucket=making)))
    findings = (first, *found)
    faults = tuple(found for found in findings if found.health is Health.FAULT)
    return Answer(
        text=partial(doctor_text, findings, view(args, io)),
        data=lambda: findings,
        exit=Exit.FAILED if faults else Exit.OK,
        errors=tuple(Failure(f"{found.subject}: {found.what}", found.hint) for found in faults),
        quiet=not faults,
    )


async def _all(findings: AsyncIterator[Finding]) -> tuple[Finding, ...]:
    """Collect the findings; what ends the examination is the last of them."""
    found = []
    try:
        async for finding in findings:
            found.append(finding)  # noqa: PERF401 - what was found before an error counts
    except RcloneMissingError as error:
        found.append(Finding("rclone", Health.FAULT, error.what, error.hint))
    except StateError as error:
        found.append(Finding("state", Health.FAULT, error.what, error.hint))
    return tuple(found)


def _manifest(args: Namespace, io: Io) -> tuple[Manifest | None, Finding]:
    try:
        file = manifest_file(args, io, args.file)
        manifest = load(file, args, io)
    except UsageError as error:
        return None, Finding("manifest", Health.FAULT, error.what, error.hint)
    projects = count(len(manifest.projects), "project")
    remotes = count(len(manifest.remotes), "remote")
    return manifest, Finding("manifest", Health.OK, f"{file}: {projects}, {remotes}")

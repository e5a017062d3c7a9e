"""Options that several commands share: which projects, and how their plan is made."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from pathlib import Path

from bm_sync.model.setup import Selection

JOBS = 4


def add_targets(parser: ArgumentParser, *, saved: bool = False) -> None:
    """Declare positional targets and `--tag`."""
    what = "a manifest, a saved plan, or" if saved else "a manifest, or"
    parser.add_argument(
        "targets",
        nargs="*",
        metavar="TARGET",
        help=f"{what} names of projects (globs such as 'team-*'); default: all projects",
    )
    parser.add_argument(
        "--tag",
        action="append",
        default=[],
        metavar="TAG",
        help="only projects with this tag (repeatable)",
    )


def add_plan_options(parser: ArgumentParser) -> None:
    """Declare what `plan` and `apply` share."""
    parser.add_argument(
        "--accept",
        action="append",
        default=[],
        metavar="WHAT",
        help="let exactly this much through the guards: delete=N, overwrite=N, bytes=N, device",
    )
    parser.add_argument(
        "--keep-deleted",
        action="store_true",
        help="carry out no deletion: two-way copies the files back",
    )
    add_jobs(parser)
    parser.add_argument(
        "--all-files", action="store_true", help="list every file, not the first 20 of a project"
    )


def add_manifest(parser: ArgumentParser) -> None:
    """Declare the manifest as the one positional argument."""
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="the manifest (default: sync.yaml here or in a parent folder)",
    )


def add_jobs(parser: ArgumentParser) -> None:
    """Declare how many projects are looked at or synced at a time."""
    parser.add_argument(
        "--jobs",
        type=whole_number,
        default=JOBS,
        metavar="N",
        help=f"projects at a time (default: {JOBS})",
    )


def whole_number(word: str) -> int:
    """Return a whole number from 1; argparse names the option when it is none."""
    if not (word.isascii() and word.isdigit() and int(word)):
        raise ArgumentTypeError(f"{word!r} is no whole number from 1")
    return int(word)


def select(args: Namespace, names: Sequence[str]) -> Selection:
    """Return the selected names and tags."""
    return Selection(names=tuple(names), tags=tuple(args.tag))

"""Options that several commands share: which projects, and how their plan is made."""

from __future__ import annotations

import math
import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from pathlib import Path

from bm_sync.model.setup import Selection

JOBS = 4
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


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
        help="let exactly this much through the guards: delete=N, overwrite=N, bytes=N, listing=N, "
        "device, device=FOLDER",
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


def add_no_commands(parser: ArgumentParser) -> None:
    """Declare how a manifest of others is looked at."""
    parser.add_argument(
        "--no-commands",
        action="store_true",
        help="start no program of the manifest, take no file from outside its folder, no "
        "credentials and no sign-in; what needs them is told and not looked at",
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


def add_wait(parser: ArgumentParser) -> None:
    """Declare for how long other runs are waited for."""
    parser.add_argument(
        "--wait",
        nargs="?",
        type=duration_s,
        const=math.inf,
        default=0.0,
        metavar="DURATION",
        help="wait for other runs that hold a project, for ever or for a time such as 10m",
    )


def duration_s(word: str) -> float:
    """Return the seconds of `90s` or `1.5h`; argparse names the option when it is none."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)([smhd])", word, re.ASCII)
    if found is None:
        raise ArgumentTypeError(f"{word!r} is no time such as 10m; say --wait last, or --wait=10m")
    return float(found[1]) * _SECONDS[found[2]]


def age_s(word: str) -> float:
    """Return the seconds of `2h`; argparse names the option when it is no time."""
    try:
        return duration_s(word)
    except ArgumentTypeError:
        raise ArgumentTypeError(f"{word!r} is no time such as 2h") from None


def add_metrics(parser: ArgumentParser) -> None:
    """Declare where a run leaves its figures."""
    parser.add_argument(
        "--metrics",
        type=_file_to_write,
        metavar="FILE",
        help="leave the figures of all projects there, for Prometheus (default: `metrics` of the "
        "manifest)",
    )


def _file_to_write(word: str) -> Path:
    """Return a file in a folder that is there; argparse names the option when it is not."""
    file = Path(word).absolute()
    if not file.parent.is_dir() or file.is_dir():
        raise ArgumentTypeError(f"{word!r} is no file in a folder that is there")
    return file


def whole_number(word: str) -> int:
    """Return a whole number from 1; argparse names the option when it is none."""
    if not (word.isascii() and word.isdigit() and int(word)):
        raise ArgumentTypeError(f"{word!r} is no whole number from 1")
    return int(word)


def select(args: Namespace, names: Sequence[str]) -> Selection:
    """Return the selected names and tags."""
    schedules = tuple(getattr(args, "schedule", ()))
    return Selection(names=tuple(names), tags=tuple(args.tag), schedules=schedules)


def add_schedule(parser: ArgumentParser) -> None:
    """Declare the selection that timers use."""
    parser.add_argument(
        "--schedule",
        action="append",
        default=[],
        type=_schedule_name,
        metavar="NAME",
        help="only projects with this schedule, as timers ask for it: defaults, tag:NAME or "
        "project:NAME (repeatable)",
    )


def _schedule_name(word: str) -> str:
    """Return where a manifest says a schedule; argparse names the option when it cannot be."""
    kind, _, name = word.partition(":")
    if word == "defaults" or (kind in {"tag", "project"} and name):
        return word
    raise ArgumentTypeError(f"{word!r} is not a schedule: write defaults, tag:NAME or project:NAME")

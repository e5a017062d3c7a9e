"""`--shard I/N`: a command is about one part of the projects, told by their names alone."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping, Sequence

from bm_sync.cli.answer import Io
from bm_sync.cli.context import Context, tell_elsewhere
from bm_sync.errors import UsageError
from bm_sync.model import shard
from bm_sync.model.shard import Shard
from bm_sync.structs import replace

INDEX = "JOB_COMPLETION_INDEX"
"""What Kubernetes sets in every pod of an Indexed Job."""

COUNT = "JOB_COMPLETIONS"
"""What the manifest of the Job has to set beside it: Kubernetes sets no such variable itself."""


def add_shard(parser: ArgumentParser) -> None:
    """Declare which part of the projects a command is about."""
    parser.add_argument(
        "--shard",
        type=_shard,
        metavar="I/N",
        help=f"only the projects of shard I of N, from 0 (default: ${INDEX}/${COUNT} if set)",
    )


def own_share(here: Context, names: Sequence[str], args: Namespace, io: Io) -> Context:
    """Return what a command works on, without the projects of other shards.

    Raises UsageError when the environment names no shard properly.
    """
    mine: Shard | None = args.shard or _of_job(io.env)
    if mine is None:
        return here
    narrow = shard.narrowed(here.manifest, mine)
    new = replace(narrow, elsewhere=narrow.elsewhere[len(here.manifest.elsewhere) :])
    tell_elsewhere(new, names, args, io)
    return replace(here, manifest=narrow)


def _shard(word: str) -> Shard:
    try:
        return shard.parse(word)
    except ValueError as e:
        raise ArgumentTypeError(str(e)) from None


def _of_job(env: Mapping[str, str]) -> Shard | None:
    """Return the shard that a job system names; a count alone names none."""
    index, count = env.get(INDEX), env.get(COUNT)
    if not index:
        return None
    if not count:
        raise UsageError(
            f"{INDEX} is set, {COUNT} is not: this is shard {index!r} of how many?",
            hint=f"set {COUNT} to the completions of the job, or give --shard (0/1 has all)",
        )
    try:
        return shard.parse(f"{index}/{count}")
    except ValueError as e:
        raise UsageError(
            f"{INDEX} and {COUNT} name no shard: {e}", hint="or give --shard I/N"
        ) from e

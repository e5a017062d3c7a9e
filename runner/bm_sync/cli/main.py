"""The entry point: argv in, exit code out.

Every error becomes words here and nowhere else. Nothing heavy is imported until a command is
chosen.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

from bm_sync.cli.parser import parse, top
from bm_sync.errors import Exit

# Listings make many objects and no cycles; looking for those costs a sixth of a large plan.
_COLLECT_EVERY = 100_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    if argv is None:
        _read_names_alike()
    words = sys.argv[1:] if argv is None else list(argv)
    gc.set_threshold(_COLLECT_EVERY)
    _mend_streams()
    try:
        code = _run(words)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone (`| head`). Python flushes once more at exit and must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Exit.FAILED)
    return code


def _read_names_alike() -> None:
    """Start anew in Python's UTF-8 mode where the locale would read names of files otherwise.

    A name is bytes on the disk and text on a remote; what stands between must not depend on whether
    a person, cron or sudo starts a run. rclone takes names for UTF-8 in every locale.
    """
    if sys.getfilesystemencoding() != "utf-8" and sys.executable:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - itself


def _mend_streams() -> None:
    """Let no answer fail for a character that the terminal's encoding lacks, or a closed stream.

    In the order of their numbers, so that a closed one gets its own descriptor back.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(nowhere, mode, closefd=False))  # noqa: SIM115 - as Python's own
        elif name != "stdin":
            stream.reconfigure(errors="backslashreplace")


def _run(words: Sequence[str]) -> int:
    if not words:
        sys.stderr.write(top().format_help())
        return int(Exit.USAGE)
    try:
        args = parse(words)
        from bm_sync.cli.dispatch import run

        return run(args)
    except SystemExit as asked:  # argparse, after --help and --version
        return int(asked.code or 0)
    except BrokenPipeError:
        raise
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place where a bug ends
        from bm_sync.cli.mishap import report

        return report(words, error)

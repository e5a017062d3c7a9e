"""What is said when a command cannot answer: an error with its hint, an interrupt, or a bug.

In text it goes to standard error, with `--json` into the envelope on standard output.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from bm_sync import __version__, access
from bm_sync.cli.answer import Answer, Failure
from bm_sync.cli.catalogue import SUMMARIES
from bm_sync.cli.render.text import escape
from bm_sync.errors import BmSyncError, Exit
from bm_sync.model.diagnostic import Diagnostic
from bm_sync.paths import state_dir

_TOLD = {Exit.USAGE, Exit.NOT_SIGNED_IN, Exit.RCLONE, Exit.BUG}


def report(words: Sequence[str], error: BaseException) -> int:
    """Say what went wrong with the command line `words` and return the exit code."""
    match _meant(error):
        case BmSyncError() as error:
            code, failures, text = error.exit, _failures(error), _text(error)
        case KeyboardInterrupt():
            code, failures = Exit.INTERRUPTED, (Failure("interrupted"),)
            text = "interrupted\n"
        case _:
            failure = _bug(words, error)
            code, failures = Exit.BUG, (failure,)
            text = f"error: {failure.what}\n  {failure.hint}\n"
    if "--json" in words:
        from bm_sync.cli.envelope import envelope

        command = next((word for word in words if word in SUMMARIES), "")
        nothing = Answer(text=str, data=lambda: None, exit=code, errors=failures)
        sys.stdout.write(envelope(command, nothing))
    else:
        sys.stderr.write(text)
    if code in _TOLD and not sys.stdin.isatty():
        _tell(words, code, failures[0].what)
    return int(code)


def _tell(words: Sequence[str], code: Exit, what: str) -> None:
    """Tell whoever watches of an `apply` that ended before it had a plan."""
    from bm_sync.cli.parser import parse

    try:
        args = parse(words)
    except (SystemExit, BmSyncError):
        return
    if args.command != "apply" or args.dry_run:
        return
    from bm_sync.cli.early import tell

    with suppress(BmSyncError, OSError):
        tell(args, code, what)


def _meant(error: BaseException) -> BaseException:
    """Return what the user can act on: a file that is closed to him is no bug of ours."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, PermissionError) and isinstance(error.filename, str | bytes):
        return access.unreachable(Path(os.fsdecode(error.filename)), error)
    return error


def _failures(error: BmSyncError) -> tuple[Failure, ...]:
    slips = _slips(error)
    if not slips:
        return (Failure(error.what, error.hint),)
    return tuple(
        Failure(f"{slip.file}:{slip.line}:{slip.column}: {slip.what}", slip.hint, slip.code)
        for slip in slips
    )


def _text(error: BmSyncError) -> str:
    slips = _slips(error)
    if slips:
        from bm_sync.manifest.formats import text

        return text(slips)
    said = "\n".join(escape(line) for line in error.what.split("\n"))
    hint = f"  {escape(error.hint)}\n" if error.hint else ""
    return f"error: {said}\n{hint}"


def _slips(error: BmSyncError) -> tuple[Diagnostic, ...]:
    """Return the slips of a `ManifestError`; its room is not imported for any other error."""
    if "bm_sync.manifest.diagnostic" not in sys.modules:
        return ()
    from bm_sync.manifest.diagnostic import ManifestError

    return error.diagnostics if isinstance(error, ManifestError) else ()


def _bug(words: Sequence[str], error: BaseException) -> Failure:
    what = f"this is a bug in bm-sync: {type(error).__name__}: {escape(str(error))}"
    return Failure(what, hint=f"please report it with {_write_down(words, error)}")


def _write_down(words: Sequence[str], error: BaseException) -> Path:
    """Write the traceback, without any variable's value, where the logs are; else in /tmp."""
    now = datetime.now(UTC)
    told = f"bm-sync {__version__}, Python {sys.version}\n{list(words)}\n\n"
    told += "".join(traceback.format_exception(error))
    folder = state_dir(os.environ, _given_state_dir(words)) / "logs"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"bug-{now:%Y%m%dT%H%M%S}Z-{os.getpid()}.log"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        file, name = tempfile.mkstemp(prefix="bm-sync-bug-", suffix=".log")
        path = Path(name)
    with open(file, "w", encoding="utf-8", errors="backslashreplace") as log:  # noqa: PTH123 - a descriptor
        log.write(told)
    return path


def _given_state_dir(words: Sequence[str]) -> Path | None:
    for number, word in enumerate(words):
        if word.startswith("--state-dir="):
            return Path(word.partition("=")[2])
        if word == "--state-dir" and number + 1 < len(words):
            return Path(words[number + 1])
    return None

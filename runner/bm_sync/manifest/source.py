"""Reads the text of a manifest and refuses what is no text."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from bm_sync import files
from bm_sync.manifest.codes import Code
from bm_sync.manifest.diagnostic import Report
from bm_sync.manifest.nodes import START, Spot
from bm_sync.manifest.shown import escaped

MAX_BYTES = 4 * 1024 * 1024

# Also U+0085, U+2028 and U+2029: YAML takes them for ends of lines, editors do not.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def read(file: Path, env: Mapping[str, str], *, consent: bool) -> str:
    """Return the text of a manifest; raises ManifestError.

    With `consent` it may belong to anybody, and everybody may be able to write it.
    """
    return decode(_bytes(file, env, consent=consent), file)


def again(file: Path) -> str:
    """Return the text of a file that a manifest was loaded from, to copy it or tell it apart."""
    return decode(_bytes(file, {}, consent=True), file, may_be_empty=True)


def tell_others(file: Path, env: Mapping[str, str], report: Report) -> None:
    """Warn of a manifest that is in the hands of others and is read because it was named."""
    try:
        files.check(file, env)
    except files.OthersFileError as e:
        what = f"this file is read because -f names it: {escaped(e.reason)}"
        report.warning(Code.WRITABLE, START, what)
    except (files.RefusedFileError, OSError):  # a descriptor, which has no owner
        return


def decode(data: bytes, file: Path, *, may_be_empty: bool = False) -> str:
    """Return bytes as text without a byte order mark, every line ended by a newline or less.

    Raises ManifestError for what is no text, and for an empty file unless it may be empty.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        report = Report(file, data.decode("utf-8", "replace"))
        line, column = _position(data[: e.start].decode("utf-8"))
        byte = data[e.start]
        report.error(
            Code.CHARACTERS,
            Spot(line, column, line, column + 1),
            f"the file is not UTF-8: byte 0x{byte:02x} cannot stand here",
            "save the file as UTF-8",
        )
        raise report.fail() from e
    return _screened(text, file, may_be_empty=may_be_empty)


def local_of(file: Path) -> Path:
    """Return the file beside a manifest that is for this machine: `sync.local.yaml`."""
    return file.with_name(f"{file.stem}.local{file.suffix}")


def _screened(text: str, file: Path, *, may_be_empty: bool) -> str:
    report = Report(file, text)
    bad = _FORBIDDEN.search(text)
    if bad:
        line, column = _position(text[: bad.start()])
        report.error(
            Code.CHARACTERS,
            Spot(line, column, line, column + 1),
            f"the character U+{ord(bad[0]):04X} cannot stand in a manifest",
            "remove it, or write it as an escape in double quotes",
        )
    elif not text.strip() and not may_be_empty:
        report.error(Code.EMPTY, START, "the file is empty", "bm-sync init writes a first one")
    if report.failed:
        raise report.fail()
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _bytes(file: Path, env: Mapping[str, str], *, consent: bool) -> bytes:
    report = Report(file)
    try:
        return files.read_named(file, MAX_BYTES, env, consent=consent)
    except FileNotFoundError:
        hint = "bm-sync init writes a first one"
        report.error(Code.UNREADABLE, START, "there is no such file", hint)
    except IsADirectoryError:
        report.error(Code.UNREADABLE, START, "this is a folder, not a file")
    except files.TooLargeError:
        report.error(Code.TOO_MUCH, START, "the file is larger than 4 MiB")
    except files.OthersFileError as e:
        hint = escaped(e.ways(f"bm-sync plan -f {shlex.quote(str(file))}"))
        report.error(Code.WRITABLE, START, f"this file is not read: {escaped(e.reason)}", hint)
    except files.RefusedFileError as e:
        report.error(Code.UNREADABLE, START, f"the file cannot be read: {e.reason}")
    except (OSError, ValueError) as e:
        reason = (e.strerror or str(e)) if isinstance(e, OSError) else str(e)
        report.error(Code.UNREADABLE, START, f"the file cannot be read: {reason}")
    raise report.fail()


def _position(before: str) -> tuple[int, int]:
    lines = re.split(r"\r\n|\r|\n", before.removeprefix("\ufeff"))
    return len(lines), len(lines[-1]) + 1

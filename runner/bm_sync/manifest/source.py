"""Reads the text of a manifest and refuses what is no text."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from bm_sync.manifest.codes import Code
from bm_sync.manifest.diagnostic import Report
from bm_sync.manifest.nodes import START, Spot

MAX_BYTES = 4 * 1024 * 1024

# Also U+0085, U+2028 and U+2029: YAML takes them for ends of lines, editors do not.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def read(file: Path) -> str:
    """Return the text of a manifest; raises ManifestError."""
    report = Report(file)
    data = _bytes(file, report)
    if data is None:
        raise report.fail()
    return decode(data, file)


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


def others_may_write(file: Path) -> bool:
    """Whether every user of this machine may change the file; one that is not there yet, nobody."""
    try:
        return bool(file.stat().st_mode & stat.S_IWOTH)
    except FileNotFoundError:
        return False


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


def _bytes(file: Path, report: Report) -> bytes | None:
    try:
        if file.is_dir():
            report.error(Code.UNREADABLE, START, "this is a folder, not a file")
            return None
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        hint = "bm-sync init writes a first one"
        report.error(Code.UNREADABLE, START, "there is no such file", hint)
        return None
    except (OSError, ValueError) as e:
        reason = e.strerror if isinstance(e, OSError) else str(e)
        report.error(Code.UNREADABLE, START, f"the file cannot be read: {reason}")
        return None
    if len(data) > MAX_BYTES:
        report.error(Code.TOO_MUCH, START, "the file is larger than 4 MiB")
        return None
    return data


def _position(before: str) -> tuple[int, int]:
    lines = re.split(r"\r\n|\r|\n", before.removeprefix("\ufeff"))
    return len(lines), len(lines[-1]) + 1

"""Writes a file that was asked for whole or not at all: in one step, from a new file beside it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from bm_sync import layout
from bm_sync.errors import UsageError

PRIVATE = 0o600


@contextmanager
def replacing(file: Path, what: str, *, encoding: str, mode: int = PRIVATE) -> Iterator[TextIO]:
    """Yield where to write what `file` will hold when the block ends well.

    The file beside it is named after `what`. Raises UsageError for what the system refuses.
    """
    begin, end = layout.beside(what)
    try:
        descriptor, name = tempfile.mkstemp(end, begin, file.parent)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    try:
        with open(descriptor, "w", encoding=encoding) as stream:  # noqa: PTH123 - a descriptor
            yield stream
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        Path(name).replace(file)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise

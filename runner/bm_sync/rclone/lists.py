"""Hand exact lists of paths to rclone, in files of the daemon's private directory."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from bm_sync.rclone.names import to_standard


class Lists:
    """Writes lists into one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = itertools.count(1)

    @contextlib.contextmanager
    def of(self, paths: Iterable[str]) -> Iterator[dict[str, list[str]]]:
        """Yield the `_filter` that selects exactly `paths`; the file goes afterwards.

        In rclone's own form no path holds a line break, so every name fits into a line.
        """
        file = self._directory / f"list-{next(self._numbers)}"
        with file.open("wb") as out:
            out.writelines(os.fsencode(to_standard(path)) + b"\n" for path in paths)
        try:
            yield {"FilesFromRaw": [str(file)]}
        finally:
            file.unlink(missing_ok=True)

"""Where in which file a value was said."""

from __future__ import annotations

from msgspec import Struct


class Origin(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a value was said.

    Lines and columns count from 1; line 0 means that no file said it: `file` then names what did
    (`--set notes`), "" a built-in default.
    """

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        if not self.line:
            return self.file or "built-in default"
        return f"{self.file}:{self.line}"


BUILT_IN = Origin("", 0, 0)

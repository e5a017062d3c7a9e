"""Where in which file a value was said."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was said.

    Lines and columns count from 1; line 0 means a built-in default.
    """

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else "built-in default"


BUILT_IN = Origin("", 0, 0)

"""What is wrong with a manifest, as data.

Apart from the other reports: checking a manifest needs none of them, and they cost time to import.

Where in which file a value was said.
"""

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


class Diagnostic(Struct, frozen=True):
    """A slip in a manifest.

    Lines and columns count from 1; `length` is the caret's width. `line_text` is the source line as
    it stands, secrets masked; `caret` is where the place stands in it, from 0, begin and end, where
    masks have moved it. `severity` is "error" or "warning".
    """

    code: str
    severity: str
    what: str
    file: str
    line: int
    column: int
    length: int = 1
    line_text: str = ""
    hint: str | None = None
    caret: tuple[int, int] | None = None

"""What is wrong with a manifest, as data.

Apart from the other reports: checking a manifest needs none of them, and they cost time to import.
"""

from __future__ import annotations

from msgspec import Struct


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

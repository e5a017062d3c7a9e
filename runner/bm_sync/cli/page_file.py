"""A page in a file: written whole or not at all, never through a link, never over another file."""

from __future__ import annotations

import re
from pathlib import Path

from bm_sync import files
from bm_sync.cli.render.page.document import GENERATOR
from bm_sync.cli.render.text import tame

_PAGE = files.Kind(
    "a page of bm-sync", re.compile(rb'(?s).{0,1000}content="%b"' % GENERATOR.encode()), "report"
)


def write_page(text: str, file: Path) -> None:
    """Write a page; a new one is readable by its owner alone, a replaced one keeps its mode.

    Raises UsageError for what is there and is not such a page, for links, and for what the system
    refuses.
    """
    hint = "give --html another name, or - for standard output"
    with files.replacing(file, _PAGE, hint=hint) as stream:
        stream.write(tame(text))

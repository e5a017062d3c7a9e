"""The threat model names, for everything that is held, a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_row_of_what_is_held_names_its_tests() -> None:
    page = (ROOT / "SECURITY.md").read_text()
    table = page.partition("## What is held")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 20
    for row in rows:
        named = re.findall(r"`(tests/[^`]+)`", row.rsplit("|", 2)[1])
        assert named, row
        assert [path for path in named if not (ROOT / path).exists()] == [], row

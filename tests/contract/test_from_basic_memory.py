"""The guide for people who come from Basic Memory leaves out nothing of the old guide."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs/from-basic-memory.md"
COMMANDS = (
    "bm cloud login",
    "bm cloud logout",
    "bm cloud status",
    "bm cloud setup",
    "bm project add research",
    "bm project add research --local-path ~/research",
    "bm project sync-setup research ~/research",
    "bm project list",
    "bm project rm research",
    "bm project bisync --name research",
    "bm project bisync --name research --resync",
    "bm project bisync --name research --dry-run",
    "bm project bisync --name research --verbose",
    "bm project sync --name research",
    "bm project sync --name research --dry-run",
    "bm project check --name research",
    "bm project check --name research --one-way",
    "bm project ls --name research",
    "bm project ls --name research --path drafts",
    "bm project bisync-reset research",
)
TROUBLES = (
    "Authentication failed",
    "Invalid token",
    "Subscription Required",
    "First bisync requires --resync",
    "Empty prior Path1 listing. Cannot sync to an empty directory",
    "corrupted state",
    "max delete limit (25) exceeded",
    "Project has no local_sync_path configured",
)
ROW = re.compile(r"^\| (.+?) \| (.+) \|$", re.MULTILINE)


def rows(heading: str) -> dict[str, str]:
    """Return the rows of a section's table: what stands left, and all that stands right of it."""
    section = GUIDE.read_text("utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return dict(ROW.findall(section))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_old_guide_has_a_row(command: str) -> None:
    said = [right for left, right in rows("Commands").items() if f"`{command}`" in left]
    assert len(said) == 1
    assert said[0].strip()


@pytest.mark.parametrize("message", TROUBLES)
def test_every_entry_of_the_old_troubleshooting_has_a_row(message: str) -> None:
    said = [right for left, right in rows("Troubleshooting").items() if message in left]
    assert len(said) == 1
    assert "|" in said[0]  # why it was, and what is now

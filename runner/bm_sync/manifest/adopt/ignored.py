"""Takes over Basic Memory's global ignore file, `.bmignore`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bm_sync.filters import rules as patterns
from bm_sync.filters.matcher import Matcher
from bm_sync.manifest.filtersets import MAX_BYTES
from bm_sync.model.config import BUILT_IN, FilterSet, Rule

BMIGNORE = ".bmignore"
_INSIDE = "/**"

# What basic-memory 0.15 to 0.24 writes into a new .bmignore (ignore_utils.py).
DEFAULTS = (
    *(".*", "*.db", "*.db-shm", "*.db-wal", "config.json", ".git", ".svn"),
    *("__pycache__", "*.pyc", "*.pyo", "*.pyd", ".pytest_cache", ".coverage", "*.egg-info", ".tox"),
    *(".mypy_cache", ".ruff_cache", ".venv", "venv", "env", ".env", "node_modules"),
    *("build", "dist", ".cache", ".idea", ".vscode", ".DS_Store", "Thumbs.db", "desktop.ini"),
    *(".obsidian", "*.tmp", "*.swp", "*.swo", "*~"),
)


@dataclass(frozen=True, slots=True)
class Ignoring:
    """What the filter of the new manifest says, each part with the comment above it.

    `file` is set when the ignore file is used where it stands.
    """

    file: Path | None
    exclude: tuple[str, ...]
    remarks: tuple[str, ...]


def ignoring(folder: Path) -> Ignoring:
    """Return how the ignore file in Basic Memory's data directory is taken over."""
    file = folder / BMIGNORE
    text = _text(file)
    if text is None:
        remark = "Basic Memory has no readable .bmignore yet; these are its own defaults."
        return Ignoring(None, DEFAULTS, (remark,))
    good, bad = patterns.parse(text, BMIGNORE, "")
    added = tuple(_completed(good))
    remarks = _about_completed(added)
    if not bad:
        return Ignoring(file, added, remarks)
    lines = ", ".join(str(each.origin.line) for each in bad)
    copied = (
        f"Copied from Basic Memory's .bmignore, as its line {lines} never matches anything",
        "and would be refused; correct it there and name the file in ignore_files instead.",
    )
    return Ignoring(None, (*(rule.pattern for rule in good), *added), (*copied, *remarks))


def _text(file: Path) -> str | None:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        return data.decode() if len(data) <= MAX_BYTES else None
    except (OSError, ValueError):
        return None


def _completed(rules: Sequence[Rule]) -> Iterator[str]:
    """Yield `X` and `X/**` for each rule `X/**` that leaves a file X itself in.

    Basic Memory's own guide writes `.env/**` and means the file .env as well.
    """
    matcher = Matcher(FilterSet(shared=tuple(Rule(r.pattern, BUILT_IN) for r in rules)))
    for rule in rules:
        name = rule.pattern.removesuffix(_INSIDE)
        if name == rule.pattern or name.startswith("!") or not name.strip("*/"):
            continue
        if not matcher.excluded(name.strip("/"), is_dir=False):
            yield name
            yield rule.pattern


def _about_completed(added: Sequence[str]) -> tuple[str, ...]:
    if not added:
        return ()
    return (
        "A pattern X/** means what lies in a folder X, not a file X. Written for .env it lets",
        "the file through; so X and X/** stand here together.",
    )

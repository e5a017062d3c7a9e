"""What Basic Memory's global ignore file means, and what counts until it is written. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bm_sync.model.config import Rule
from bm_sync.structs import replace

NAME = ".bmignore"
SAID_BY = "Basic Memory's default .bmignore"

# What basic-memory 0.15 to 0.24 writes into `.bmignore` when it first needs one.
DEFAULT = "\n".join(
    """
    .* *.db *.db-shm *.db-wal config.json .git .svn __pycache__ *.pyc *.pyo *.pyd .pytest_cache
    .coverage *.egg-info .tox .mypy_cache .ruff_cache .venv venv env .env node_modules build dist
    .cache .idea .vscode .DS_Store Thumbs.db desktop.ini .obsidian *.tmp *.swp *.swo *~
    """.split()  # noqa: SIM905 - thirty patterns are read better as text
)

_INSIDE = "/**"


def meant(rules: Sequence[Rule]) -> Iterator[Rule]:
    """Yield the rules of a `.bmignore`, each `X/**` with a rule `X` before it.

    Basic Memory's guide writes `.env/**` and `memory.db/**`, and means the files of these names as
    well; its client leaves them out since 0.21. A rule that takes something in `X` back in, further
    below, could not do so if all of `X` were left out: then `X/**` stands as it is written.
    """
    for number, rule in enumerate(rules):
        name = rule.pattern.removesuffix(_INSIDE)
        inside = f"!{name}/"
        back = any(other.pattern.startswith(inside) for other in rules[number + 1 :])
        if name != rule.pattern and name.strip("*/") and not name.startswith("!") and not back:
            yield replace(rule, pattern=name)
        yield rule

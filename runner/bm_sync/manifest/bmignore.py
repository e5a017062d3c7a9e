"""What Basic Memory leaves out where its global ignore file has not been written yet. Pure."""

from __future__ import annotations

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

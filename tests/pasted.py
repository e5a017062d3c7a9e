"""Finds the commands that texts name: what a reader would paste into a shell."""

from __future__ import annotations

import re
import shlex

from bm_sync.cli.parser import parse
from bm_sync.errors import UsageError

# At the start of a line, after a prompt, a variable, a label or another command.
_START = re.compile(r"(?:^|\$ |&& |[:;]\s+|^(?:\w+=\S* )+)(bm-sync\s.*)$")
_OPERATORS = ";&|<>"


def commands(line: str) -> list[list[str]]:
    """Return the words after each `bm-sync` of a line of shell, without comments."""
    found = _START.search(line.strip())
    if found is None:
        return []
    lexer = shlex.shlex(found[1], posix=True, punctuation_chars=_OPERATORS)
    lexer.whitespace_split = True
    simple: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set(_OPERATORS):
            simple.append([])
        else:
            simple[-1].append(word)
    return [words[1:] for words in simple if words[:1] == ["bm-sync"]]


def refusal(words: list[str]) -> str | None:
    """Return what the real parser says against a command line, None when it takes it."""
    try:
        parse(words)
    except UsageError as error:
        return f"bm-sync {' '.join(words)}: {error.what}"
    except SystemExit as asked:
        return f"exit {asked.code}" if asked.code else None
    return None

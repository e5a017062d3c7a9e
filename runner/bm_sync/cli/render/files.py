"""One line for each file: arrow, what happens, bytes, path, reason.

The arrow points at the side that is changed: `->` the remote, `<-` the local folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from bm_sync.cli.render.text import columns, escape, size
from bm_sync.model.plan import (
    Action,
    Adopt,
    AdoptDir,
    Copy,
    Forget,
    KeepBoth,
    MakeDir,
    Move,
    RemoveDir,
    Restore,
    Trash,
)
from bm_sync.model.run import Done, Outcome
from bm_sync.model.tree import Side

Row = tuple[str, str, str, str, str]

_ARROWS = {Side.REMOTE: " ->", Side.LOCAL: "<- ", None: "<->"}
_ALIGN = "<<><<"
_WIDEST_HEAD = 72  # a longer line pushes its own reason to the right, not all others


def action_row(action: Action) -> Row:  # noqa: PLR0911 - a table
    """Return the line of one planned action, in cells."""
    match action:
        case Copy():
            word = "copy" if action.target is None else "replace"
            return _row(action.to, word, action.size, action.path, action.reason)
        case Restore():
            word = "restore" if action.target is None else "put back"
            return _row(action.side, word, action.size, action.path, action.reason)
        case Trash():
            return _row(action.side, "delete", action.size, action.path, action.reason)
        case Move():
            path = f"{escape(action.old_path)} => {escape(action.path)}"
            return (_ARROWS[action.side], "move", size(action.size), path, action.reason)
        case KeepBoth():
            reason = f"{action.reason}; kept as {escape(action.copy_path)}"
            return _row(None, "keep both", action.size, action.path, reason)
        case MakeDir():
            return _row(action.side, "make folder", None, action.path + "/", action.reason)
        case RemoveDir():
            return _row(action.side, "remove folder", None, action.path + "/", action.reason)
        case Adopt():
            return _row(None, "note", action.size, action.path, action.reason)
        case AdoptDir() | Forget():
            return _row(None, "note", None, action.path, action.reason)
        case _:
            assert_never(action)


_DONE_WORDS = {
    "trash": "delete",
    "keep-both": "keep both",
    "make-dir": "make folder",
    "remove-dir": "remove folder",
}


def done_words(done: Done) -> tuple[str, str]:
    """Return what was to be done, and to what, as the plan said it."""
    word = "replace" if done.kind == "copy" and done.kept else _DONE_WORDS.get(done.kind, done.kind)
    return word, f"{done.path}/" if done.kind.endswith("-dir") else done.path


def done_row(done: Done) -> Row:
    """Return the line of one action of a run, in cells, with its outcome."""
    word, path = done_words(done)
    said = done.reason
    if done.outcome is not Outcome.DONE:
        said = done.outcome.value.replace("-", " ")
    if done.detail:
        said = f"{said}: {escape(done.detail)}"
    if done.kept:
        said = f"{said}; before: {escape(done.kept)}"
    has_bytes = not done.kind.endswith("-dir")
    return _row(done.side, word, done.size if has_bytes else None, path, said)


def _row(side: Side | None, word: str, count: int | None, path: str, reason: str) -> Row:
    return (_ARROWS[side], word, "" if count is None else size(count), escape(path), reason)


def file_lines(rows: Sequence[Row], *, indent: str = "  ") -> list[str]:
    """Return aligned lines; the reasons stand in one column as long as the paths are not long."""
    heads = columns([row[:4] for row in rows], _ALIGN[:4])
    edge = max((len(head) for head in heads if len(head) <= _WIDEST_HEAD), default=0)
    return [f"{indent}{head.ljust(edge)}  {row[4]}" for head, row in zip(heads, rows, strict=True)]


def capped(rows: Sequence[Row], cap: int | None) -> list[str]:
    """Return the lines of the first `cap` rows and how many more there are."""
    shown = rows if cap is None else rows[:cap]
    rest = len(rows) - len(shown)
    return file_lines(shown) + ([f"  … and {rest:,} more (--all-files)"] if rest else [])

"""The aligned summary: one line for each project with its counts."""

from __future__ import annotations

from collections.abc import Sequence

from bm_sync.cli.render.text import count, left, right, size, width
from bm_sync.model.plan import Totals

Cell = tuple[int, str]


def cells(totals: Totals) -> list[Cell]:
    """Return the counts of a project that are not zero, in fixed order."""
    deletes = totals.delete_local + totals.delete_remote
    figures = (
        (totals.up, "up"),
        (totals.down, "down"),
        (deletes, "delete"),
        (totals.move, "move"),
        (totals.folders, "folder" if totals.folders == 1 else "folders"),
        (totals.conflicts, "conflict" if totals.conflicts == 1 else "conflicts"),
    )
    return [(number, word) for number, word in figures if number]


def moved_bytes(totals: Totals) -> str:
    """Return the bytes that move, or nothing."""
    moved = totals.bytes_up + totals.bytes_down
    return size(moved) if moved else ""


def packed(rows: Sequence[Sequence[Cell]]) -> list[str]:
    """Return the counts of each row side by side, numbers right, words left, columns shared."""
    depth = max((len(row) for row in rows), default=0)
    numbers = [max(len(f"{row[i][0]:,}") for row in rows if i < len(row)) for i in range(depth)]
    words = [max(len(row[i][1]) for row in rows if i < len(row)) for i in range(depth)]
    return [
        "  ".join(
            right(f"{number:,}", numbers[i]) + " " + left(word, words[i])
            for i, (number, word) in enumerate(row)
        ).rstrip()
        for row in rows
    ]


def in_words(totals: Totals, *, done: bool) -> list[str]:
    """Return the total as phrases: `17 files to move`, `148 to delete`, `1 conflict`."""
    files, deletes = totals.up + totals.down, totals.delete_local + totals.delete_remote
    to = "" if done else "to "
    phrases = []
    if files:
        phrases.append(f"{count(files, 'file')} {'moved' if done else 'to move'}")
    if deletes:
        phrases.append(f"{deletes:,} {to}delete{'d' if done else ''}")
    if totals.move:
        phrases.append(f"{totals.move:,} {to}rename{'d' if done else ''}")
    if totals.folders:
        phrases.append(count(totals.folders, "folder"))
    if totals.conflicts:
        phrases.append(count(totals.conflicts, "conflict"))
    if phrases:
        phrases.append(size(totals.bytes_up + totals.bytes_down))
    return phrases


def together(parts: Sequence[Totals]) -> Totals:
    """Return the sum of several totals."""
    fields = Totals.__struct_fields__
    return Totals(**{name: sum(getattr(part, name) for part in parts) for name in fields})


def widest(texts: Sequence[str]) -> int:
    """Return the width of the widest text."""
    return max((width(text) for text in texts), default=0)

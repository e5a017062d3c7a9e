"""Collects what is wrong with a manifest: every problem once, in the order of the text.

Secrets that stand in the text are masked here, before anything is shown.
"""

from __future__ import annotations

import re
from pathlib import Path

from bm_sync.errors import UsageError
from bm_sync.manifest.codes import Code
from bm_sync.manifest.nodes import Spot
from bm_sync.manifest.secret_names import starred
from bm_sync.manifest.shown import MASK, cut, escaped
from bm_sync.model.diagnostic import Diagnostic

MOST = 200
LONGEST_LINE = 500


class ManifestError(UsageError):
    """A manifest with errors.

    `diagnostics` are all problems of the run, warnings too, sorted by position.
    """

    def __init__(self, file: str, diagnostics: tuple[Diagnostic, ...]) -> None:
        errors = [d for d in diagnostics if d.severity == "error"]
        first = errors[0]
        elsewhere = escaped(f"{first.file}:{first.line}")
        where = f"line {first.line}" if first.file == file else elsewhere
        super().__init__(
            f"{escaped(file)}: {len(errors)} error{'s' if len(errors) > 1 else ''}, the first in "
            f"{where}: {first.what}",
            hint=first.hint or f"bm-sync explain {first.code}",
        )
        self.diagnostics = diagnostics


class TooManyProblemsError(Exception):
    """Further problems are not worth looking for; never leaves the room."""


class Report:
    """The problems found so far."""

    def __init__(self, file: Path, text: str = "") -> None:
        self._file = str(file)
        self._lines = {"": _split(text)}
        self._found: dict[tuple[str, int, int, str, str], Diagnostic] = {}
        self._masked_spots: list[Spot] = []
        self._masked_words: set[str] = set()

    @property
    def failed(self) -> bool:
        """Whether there is an error (a warning is none)."""
        return self.errors > 0

    @property
    def errors(self) -> int:
        """Return how many errors were found so far."""
        return sum(d.severity == "error" for d in self._found.values())

    def add_source(self, file: str, text: str) -> None:
        """Learn the text of another file that values may stand in, by the name in their spots."""
        self._lines[file] = _split(text)

    def error(self, code: Code, spot: Spot, what: str, hint: str | None = None) -> None:
        """Add an error; raises TooManyProblemsError when a person could not read them all."""
        self._add(Diagnostic(code, "error", what, self._named(spot), *_place(spot), hint=hint))
        if len(self._found) >= MOST:
            raise TooManyProblemsError

    def warning(self, code: Code, spot: Spot, what: str, hint: str | None = None) -> None:
        """Add a warning."""
        self._add(Diagnostic(code, "warning", what, self._named(spot), *_place(spot), hint=hint))

    def note_the_rest(self) -> None:
        """Say that there may be more problems than those found."""
        last = max(self._found.values(), key=self._order)
        what = f"the first {MOST} problems are told; there may be more"
        self._add(Diagnostic(Code.TOO_MUCH, "error", what, last.file, last.line, last.column))

    def elsewhere(self, problem: Diagnostic) -> None:
        """Add a problem of another file, such as an ignore file."""
        self._add(problem)

    def mask_spot(self, spot: Spot) -> None:
        """Never show what stands at `spot`."""
        self._masked_spots.append(spot)

    def mask_word(self, word: str) -> None:
        """Never show `word`, wherever it stands."""
        if len(word) > 3:  # noqa: PLR2004 - shorter words would blot out half the text
            self._masked_words |= {word, cut(word)}

    def is_masked(self, spot: Spot) -> bool:
        """Whether what stands at `spot` must not be shown."""
        return spot in self._masked_spots

    def masked(self, text: str) -> str:
        """Return a text without the words that must not be shown."""
        for word in sorted(self._masked_words, key=len, reverse=True):
            text = text.replace(word, MASK)
        return text

    def finish(self) -> tuple[Diagnostic, ...]:
        """Return all problems, sorted by file and position, secrets masked."""
        shown = [self._shown(d) for d in self._found.values()]
        return tuple(sorted(shown, key=self._order))

    def fail(self) -> ManifestError:
        """Return the error to raise."""
        return ManifestError(self._file, self.finish())

    def source(self, line: int, file: str = "") -> str:
        """Return a line of the source as it stands, "" beyond the end."""
        lines = self._lines[file]
        return lines[line - 1] if 0 < line <= len(lines) else ""

    def _named(self, spot: Spot) -> str:
        return spot.file or self._file

    def _key(self, file: str) -> str | None:
        """Return the name of a file in spots, None when its text is not known."""
        if file == self._file:
            return ""
        return file if file in self._lines else None

    def _order(self, d: Diagnostic) -> tuple[int, str, int, int, str]:
        """Sort by file, the manifest first, those with an unknown text last; then by position."""
        key = self._key(d.file)
        rank = len(self._lines) if key is None else list(self._lines).index(key)
        return rank, d.file, d.line, d.column, d.code

    def _add(self, problem: Diagnostic) -> None:
        key = (problem.code, problem.line, problem.column, problem.file, problem.what)
        self._found.setdefault(key, problem)

    def _shown(self, d: Diagnostic) -> Diagnostic:
        key = self._key(d.file)
        return Diagnostic(
            code=str(d.code),
            severity=d.severity,
            what=self.masked(d.what),
            file=d.file,
            line=d.line,
            column=d.column,
            length=d.length,
            line_text=d.line_text if key is None else self._masked_line(d.line, key),
            hint=None if d.hint is None else self.masked(d.hint),
        )

    def _masked_line(self, line: int, file: str) -> str:
        """Return a source line with secrets as stars, so that columns stay where they are."""
        text = self.source(line, file)
        if len(text) > LONGEST_LINE:
            return ""
        for spot in self._masked_spots:
            if spot.file == file and spot.line <= line <= spot.end_line:
                begin = spot.column - 1 if line == spot.line else 0
                end = spot.end_column - 1 if line == spot.end_line else len(text)
                text = text[:begin] + "*" * (end - begin) + text[end:]
        for word in self._masked_words:
            text = text.replace(word, "*" * len(word))
        return starred(text)


def _split(text: str) -> list[str]:
    return re.split(r"\r\n|\r|\n", text)


def _place(spot: Spot) -> tuple[int, int, int]:
    return spot.line, spot.column, spot.length

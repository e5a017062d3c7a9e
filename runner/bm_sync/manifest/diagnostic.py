"""Collects what is wrong with a manifest: every problem once, in the order of the text.

Secrets that stand in the text are masked here, before anything is shown.
"""

from __future__ import annotations

import re
from pathlib import Path

from bm_sync.errors import UsageError
from bm_sync.manifest.codes import Code
from bm_sync.manifest.nodes import Spot
from bm_sync.manifest.shown import cut, escaped
from bm_sync.masking import MASK, SHORTEST, Veil, forms, merged, secret_parts, veil, veiled, without
from bm_sync.model.diagnostic import Diagnostic
from bm_sync.structs import replace

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
        self.file = str(file)
        self._lines = {"": _split(text)}
        self._found: dict[tuple[str, int, int, str, str], Diagnostic] = {}
        self._masked_spots: list[Spot] = []
        self._masked_words: set[str] = set()
        self._veiled: set[tuple[str, str]] = set()

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
        """Never show `word`, wherever it stands and however it is written."""
        if len(word) >= SHORTEST:
            self._masked_words |= {*forms(word), cut(word)}

    def veil(self, value: str, shown: str) -> None:
        """Show `shown` in the place of a value that the environment put in."""
        self._veiled |= {(value, shown), (escaped(value), shown), (cut(value), shown)}

    @property
    def veils(self) -> Veil:
        """Return what is shown in the place of values of the environment."""
        return veil(self._veiled)

    def is_masked(self, spot: Spot) -> bool:
        """Whether what stands at `spot` must not be shown."""
        return spot in self._masked_spots

    def masked(self, text: str) -> str:
        """Return a text without the words that must not be shown."""
        for word in sorted(self._masked_words, key=len, reverse=True):
            text = text.replace(word, MASK)
        return veiled(text, self.veils)

    def finish(self) -> tuple[Diagnostic, ...]:
        """Return all problems, sorted by file and position, secrets masked."""
        shown = [self._shown(d) for d in self._found.values()]
        return tuple(sorted(shown, key=self._order))

    def fail(self) -> ManifestError:
        """Return the error to raise."""
        return ManifestError(self.file, self.finish())

    def source(self, line: int, file: str = "") -> str:
        """Return a line of the source as it stands, "" beyond the end."""
        lines = self._lines[file]
        return lines[line - 1] if 0 < line <= len(lines) else ""

    def _named(self, spot: Spot) -> str:
        return spot.file or self.file

    def _key(self, file: str) -> str | None:
        """Return the name of a file in spots, None when its text is not known."""
        if file == self.file:
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
        line, caret = (d.line_text, d.caret) if key is None else self._masked_line(d, key)
        return replace(
            d,
            code=str(d.code),
            what=self.masked(d.what),
            # a mask is always as long, so that no figure tells how long a secret is
            length=d.length if caret is None else max(min(d.length, caret[1] - caret[0]), 1),
            line_text=line,
            hint=None if d.hint is None else self.masked(d.hint),
            caret=caret,
        )

    def _masked_line(self, d: Diagnostic, file: str) -> tuple[str, tuple[int, int] | None]:
        """Return the source line with masks for secrets, and where its caret stands then."""
        text = self.source(d.line, file)
        if len(text) > LONGEST_LINE:
            return "", None
        spans = secret_parts(text, yaml=True)
        for spot in self._masked_spots:
            if spot.file == file and spot.line <= d.line <= spot.end_line:
                begin = spot.column - 1 if d.line == spot.line else 0
                spans.append((begin, spot.end_column - 1 if d.line == spot.end_line else len(text)))
        for word in self._masked_words:
            spans += [found.span() for found in re.finditer(re.escape(word), text)]
        spans = merged(spans)
        ends = (d.column - 1, d.column - 1 + d.length)
        return without(text, spans), (_moved(ends[0], spans), _moved(ends[1], spans, is_end=True))


def _moved(at: int, spans: list[tuple[int, int]], *, is_end: bool = False) -> int:
    """Return where a place of a line lies once each span is a mask; in one: its begin, or end."""
    shift = 0
    for begin, end in spans:
        if end <= at:
            shift += len(MASK) - (end - begin)
        elif begin < at or (begin == at and not is_end):
            return begin + shift + (len(MASK) if is_end else 0)
    return at + shift


def _split(text: str) -> list[str]:
    return re.split(r"\r\n|\r|\n", text)


def _place(spot: Spot) -> tuple[int, int, int]:
    return spot.line, spot.column, spot.length

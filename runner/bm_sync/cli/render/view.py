"""How a person reads: which words start a command here, whether there is colour, what time it is.

The commands in messages are ready to paste: they repeat what this command line said about the
manifest and the state directory.
"""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

from msgspec import Struct, field

from bm_sync.cli.render.text import escape

_CODES = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "dim": "2"}


class Paint(Struct, frozen=True):
    """Colours, or none."""

    on: bool = False

    def __call__(self, text: str, colour: str) -> str:
        """Return `text` in `colour` when there is colour."""
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self.on and text else text


class View(Struct, frozen=True):
    """Everything a renderer may know beside the value.

    A pasted command must repeat `named` (`-f other.yaml`) and `around` (`--state-dir DIR`). `cap`
    is how many files of a project are listed, None for all. `verb` is what is done: `apply` or
    `undo RUN`. `quiet`: only what is in the way is shown.
    """

    named: tuple[str, ...] = ()
    around: tuple[str, ...] = ()
    paint: Paint = Paint()
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    cap: int | None = 20
    verb: tuple[str, ...] = ("apply",)
    quiet: bool = False

    def again(self, project: str, *words: str) -> str:
        """Return the command line that does the same to one project."""
        named = (project,) if self.applies else ("--project", project)
        return self.command(*self.verb, *named, *words)

    @property
    def applies(self) -> bool:
        """Return whether it is a manifest that is applied."""
        return self.verb == ("apply",)

    def command(self, *words: str, manifest: bool = True) -> str:
        """Return a command line ready to paste; `manifest` says whether it reads one."""
        named = self.named if manifest else ()
        return "bm-sync " + " ".join(quoted(word) for word in (*words, *named, *self.around))


def quoted(word: str) -> str:
    """Return `word` for a POSIX shell; one that cannot be printed as it is, as `$'…'`."""
    if escape(word) == word:
        return shlex.quote(word)
    body = "".join(_ansi_c(char) for char in word)
    return f"$'{body}'"


def _ansi_c(char: str) -> str:
    if char in "'\\":
        return "\\" + char
    if escape(char) == char:
        return char
    handler = "surrogateescape" if "\udc80" <= char <= "\udcff" else "surrogatepass"
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", handler))

"""What `--accept` lets through the guards."""

from __future__ import annotations

from collections.abc import Sequence

from bm_sync.errors import UsageError
from bm_sync.model.plan import Accept

_FIGURES = ("delete", "overwrite", "bytes")
_FORM = "--accept takes delete=N, overwrite=N, bytes=N and device, as the plan names them"


def accept(words: Sequence[str]) -> Accept:
    """Return what `--accept` lets through: exact figures, each named once."""
    figures: dict[str, int] = {}
    device = False
    for part in (part.strip() for word in words for part in word.split(",")):
        name, _, number = part.partition("=")
        if part == "device":
            device = True
        elif name not in _FIGURES or not (number.isascii() and number.isdigit()):
            raise UsageError(f"--accept {part!r} is not understood", hint=_FORM)
        elif figures.setdefault(name, int(number)) != int(number):
            raise UsageError(f"--accept names {name} twice with different figures")
    return Accept(
        delete=figures.get("delete"),
        overwrite=figures.get("overwrite"),
        bytes=figures.get("bytes"),
        device=device,
    )

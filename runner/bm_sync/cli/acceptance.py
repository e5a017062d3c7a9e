"""What `--accept` lets through the guards."""

from __future__ import annotations

from collections.abc import Sequence

from bm_sync.errors import UsageError
from bm_sync.model.plan import Accept

_FIGURES = ("delete", "overwrite", "bytes", "listing")
_FLAGS = ("device", "empty_side")
_FOLDER = "device"
_FORM = (
    "--accept takes delete=N, overwrite=N, bytes=N, listing=N, device, device=FOLDER and "
    "empty_side, as the plan names them"
)


def accept(words: Sequence[str]) -> Accept:
    """Return what `--accept` lets through: exact figures, each named once."""
    figures: dict[str, int] = {}
    flags: set[str] = set()
    folders: list[str] = []
    for part in (part.strip() for word in words for part in word.split(",")):
        name, _, number = part.partition("=")
        if part in _FLAGS:
            flags.add(part)
        elif name == _FOLDER and number:
            folders.append(number.strip("/"))
        elif name not in _FIGURES or not (number.isascii() and number.isdigit()):
            raise UsageError(f"--accept {part!r} is not understood", hint=_FORM)
        elif figures.setdefault(name, int(number)) != int(number):
            raise UsageError(f"--accept names {name} twice with different figures")
    return Accept(
        delete=figures.get("delete"),
        overwrite=figures.get("overwrite"),
        bytes=figures.get("bytes"),
        device="device" in flags,
        empty_side="empty_side" in flags,
        listing=figures.get("listing"),
        devices=tuple(folders),
    )

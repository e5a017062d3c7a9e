"""Tells this machine from others, so that a copied state directory is noticed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from msgspec import Struct


class Here(Struct, frozen=True):
    """This machine: what tells it from others (None: the system does not say) and its name."""

    machine: str | None
    host: str


def no_machine() -> None:
    """Return what a memory is marked with that is of no machine."""
    return


def machine_id(file: Path = Path("/etc/machine-id")) -> str | None:
    """Return a digest that only this machine has; None where the system names none.

    machine-id(5) asks not to show the id itself, so it is hashed with our name.
    """
    try:
        text = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    if not text or text == "uninitialized":
        return None
    return hashlib.sha256(f"bm-sync {text}".encode()).hexdigest()[:16]

"""Keeps what a manifest's secrets are out of every message."""

from __future__ import annotations

import re
from collections.abc import Mapping as AbstractMapping

from bm_sync.manifest.diagnostic import Report
from bm_sync.manifest.nodes import Broken, Entry, Mapping, Node, Scalar, Sequence
from bm_sync.masking import looks_secret, secret_parts

_URL = re.compile(r"\w+://\S+")
_ONE_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)")


def has_password(url: str) -> bool:
    """Whether a URL says a secret: `https://user:password@host`, `https://host/?token=…`."""
    return any(secret_parts(found[0]) for found in _URL.finditer(url))


def only_variable(scalar: Scalar) -> str | None:
    """Return NAME when the whole value is `${NAME}`, else None."""
    found = _ONE_VARIABLE.fullmatch(scalar.raw)
    return found[1] if found else None


def mask(root: Node, report: Report) -> None:
    """Mask every value whose key looks secret, wherever it stands, and the variables it uses."""
    variables = root.get("vars") if isinstance(root, Mapping) else None
    known = variables.entries if isinstance(variables, Mapping) else {}
    _mask_below(root, known, report)


def _mask_below(node: Node, variables: AbstractMapping[str, Entry], report: Report) -> None:
    todo: list[Node] = [node]
    while todo:
        match todo.pop():
            case Mapping(entries=entries):
                for name, entry in entries.items():
                    if isinstance(entry.value, Scalar):
                        _mask_entry(name, entry.value, variables, report)
                    else:
                        todo.append(entry.value)
            case Sequence(items=items):
                todo.extend(items)
            case Scalar() | Broken():
                pass


def _mask_entry(
    name: str, value: Scalar, variables: AbstractMapping[str, Entry], report: Report
) -> None:
    if isinstance(value.value, str):
        for begin, end in secret_parts(value.value):
            report.mask_word(value.value[begin:end])
    if not looks_secret(name) or value.value is None or isinstance(value.value, bool):
        return
    _mask_scalar(value, report)
    for used in _VARIABLE.findall(value.raw):
        entry = variables.get(used)
        if entry is not None and isinstance(entry.value, Scalar):
            _mask_scalar(entry.value, report)


def _mask_scalar(value: Scalar, report: Report) -> None:
    """Mask a value; `${NAME}` alone may be shown, what it stands for may not."""
    if only_variable(value) is None:
        report.mask_spot(value.spot)
        report.mask_word(value.raw)
    if value.value != value.raw:
        report.mask_word(str(value.value))

"""The form of a project's name under which Basic Memory tells projects apart. Pure."""

from __future__ import annotations

import re
import unicodedata

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_APOSTROPHE = re.compile("['\u2019]")
_OTHERS = re.compile("(?:[^\\w./\u3000-\u303f]|_)+")  # CJK symbols stay


def permalink(name: str) -> str:
    """Return the permalink of a project's name: `My Notes`, `MyNotes`, `my_notes` are `my-notes`.

    The rule of basic-memory 0.16 to 0.24 (`generate_permalink`), but that letters which only a
    table of transliterations could write in ASCII stay as they are.
    """
    decomposed = unicodedata.normalize("NFKD", name)
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    dashed = _OTHERS.sub("-", _APOSTROPHE.sub("", _CAMEL.sub("-", plain).lower()))
    return "/".join(part.strip("-") for part in dashed.split("/"))

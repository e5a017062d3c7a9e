"""The form of a project's name under which Basic Memory tells projects apart. Pure."""

from __future__ import annotations

import re
import unicodedata

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_APOSTROPHE = re.compile("['\u2019]")
# CJK ideographs and symbols stay; all other letters are written in ASCII.
_OTHERS = re.compile("[^a-z0-9./\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff]+")


def permalink(name: str) -> str:
    """Return the permalink of a project's name: `My Notes`, `MyNotes`, `my_notes` are `my-notes`.

    The rule of basic-memory 0.16 to 0.24 (`generate_permalink`), but for letters that only a table
    of transliterations knows: those become dashes.
    """
    decomposed = unicodedata.normalize("NFKD", name)
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    dashed = _OTHERS.sub("-", _APOSTROPHE.sub("", _CAMEL.sub("-", plain).lower()))
    return "/".join(part.strip("-") for part in dashed.split("/"))

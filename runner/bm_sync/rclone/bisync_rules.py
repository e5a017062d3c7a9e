"""Say an exact set of paths in rclone's filter rules, so that a walk sees those and no other.

A list of files (`files-from`) cannot be used: bisync adds its own queues to the same list. Pure.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from bm_sync.rclone.names import to_standard

_SPECIAL = re.compile(r"[^0-9A-Za-z_ .\-\x80-\U0010ffff]")
_NOTHING_ELSE = "- **"


def only(paths: Iterable[str]) -> list[str]:
    """Return the rules that let exactly these files through, one for each folder."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted(map(to_standard, paths)):
        folder, _, name = path.rpartition("/")
        names[folder].append(name)
    rules = []
    for folder, inside in names.items():
        above = "".join(f"{_literal(part)}/" for part in folder.split("/")) if folder else ""
        rules.append(f"+ /{above}{{{','.join(map(_literal, inside))}}}")
    return [*rules, _NOTHING_ELSE]


def _literal(name: str) -> str:
    """Return a name with every sign of a pattern as its code, which no pattern gives a meaning."""
    return _SPECIAL.sub(lambda sign: f"\\x{ord(sign[0]):02x}", name)

"""Tells which keys hold secrets, by their names, and finds them in a line of text. Pure."""

from __future__ import annotations

import re

# From the options that `rclone config providers` (1.75.2) marks as passwords or sensitive.
_SECRET = re.compile(
    r"pass|pasw|pwd|secret|token|mnemonic|cookie|credential|authorization|connection_string"
    r"|sas_url|access_grant|private|(^|_)keys?$|key_pem|key_base64"
)
_HARMLESS = re.compile(
    r"_(file|command|md5|sha256|path|id|expiry|name)$|(?<!sas)_url$|^(ask_|pass_bad|public_)"
    r"|^client_credentials$"
)
_REFERENCE = r"""["']?\$\{[A-Za-z_][A-Za-z0-9_]*\}["']?[ \t]*(?:[,}\]#]|$)"""
_PAIR = re.compile(
    rf"""(?P<key>[\w.-]+)["']?[ \t]*:[ \t]+(?!{_REFERENCE})(?P<value>[^\s{{\[#].*)"""
)
_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"?|'[^']*'?|[^,}\]]+""")


def looks_secret(name: str) -> bool:
    """Whether a key of this name holds a secret."""
    folded = name.casefold().replace("-", "_")
    return bool(_SECRET.search(folded)) and not _HARMLESS.search(folded)


def starred(line: str) -> str:
    """Return a line of YAML with the values of secret-looking keys as stars, as long as before.

    For lines that no reader understood; where one did, it knows better what is a value.
    """
    at = 0
    while pair := _PAIR.search(line, at):
        begin, end = pair.span("value")
        at = begin
        if looks_secret(pair["key"]):
            if "{" in line[:begin]:
                inside = _QUOTED.match(line, begin)
                end = inside.end() if inside else end
            line = line[:begin] + "*" * (end - begin) + line[end:]
            at = end
    return line

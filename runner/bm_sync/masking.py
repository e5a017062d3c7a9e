"""What of a text is secret, and how it is masked: by names of keys, by what it looks like. Pure.

A mask is always as long, so that it does not tell how long the secret is.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus, urlsplit

MASK = "***"
SHORTEST = 4  # shorter values are no secrets, and masking them would garble every text
_PART = 8  # a part of a secret has to be so long to be one itself
_RANDOM = 20
_LONGEST = 64 * 1024

# From the options that `rclone config providers` (1.75.2) marks as passwords or sensitive.
_SECRET = re.compile(
    r"pass|pasw|pwd|secret|token|mnemonic|cookie|credential|authorization|connection_string"
    r"|sas_url|access_grant|private|webhook|bearer|session_id|(^|_)(sig|sas|signature)$|(^|_)keys?$"
    r"|key_pem|key_base64"
)
_HARMLESS = re.compile(
    r"_(file|command|md5|sha256|path|id|expiry|name)$|(?<!sas)_url$|^(ask_|pass_bad|public_)"
    r"|^client_credentials$"
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_REFERENCE = r"""["']?\$\{[A-Za-z_][A-Za-z0-9_]*\}["']?[ \t]*(?:[,}\]#]|$)"""
_PAIR = re.compile(
    rf"""(?P<key>[\w.-]+)["']?[ \t]*:[ \t]+(?!{_REFERENCE})(?P<value>[^\s{{\[#].*)"""
)
_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"?|'[^']*'?|[^,}\]]+""")
# key=value as in connection strings, queries of URLs, options of rclone on the fly
_EQUAL = re.compile(
    r"""(?<![\w.%-])(?P<key>[\w.%-]{1,80})=(?!\$\{)"""
    r"""(?P<value>"(?:[^"]|"")*"?|'(?:[^']|'')*'?|[^\s,;&"'}]+)"""
)
# The password of a URL. It may have an @ in it; with a slash in it no reader takes the URL for one,
# and names it whole.
_USERINFO = re.compile(
    r"://[^\s/?#:@]{0,99}:(?P<value>[^\s/?#]{1,999})@"
    r"|://[^\s/:@]{0,99}:(?!\d{1,5}[/?#])(?P<odd>[^\s]{1,999})@"
)
# Shapes that nothing else has: JSON Web Tokens, tokens of forges and chats, private keys.
_SHAPES = re.compile(
    r"(?P<value>\beyJ[\w-]{8,999}\.[\w-]{1,9999}\.[\w-]*|\bgh[pousr]_\w{20,}|\bglpat-[\w-]{16,}"
    r"|\bxox[abeprs]-[\w-]{10,}|\b(?i:bearer) (?=[\w.~+/-]*\d)[\w+/=.~-]{16,}"
    r"|\b(?i:authorization)[\"']?[:=] *(?:[A-Za-z]+ )?[\w+/=.~-]{4,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*)"
)


def looks_secret(name: str) -> bool:
    """Whether a key of this name holds a secret; `AccountKey` is `account_key`."""
    folded = _HUMP.sub("_", name).casefold().replace("-", "_")
    return bool(_SECRET.search(folded)) and not _HARMLESS.search(folded)


def secret_parts(text: str, *, yaml: bool = False) -> list[tuple[int, int]]:
    """Return where in a line secrets stand: begin and end of each, in order, not overlapping.

    `yaml`: also the values of secret-looking keys, as far as a line tells what a value is.
    """
    found = [m.span("value" if m["value"] else "odd") for m in _USERINFO.finditer(text)]
    found += [m.span("value") for m in _EQUAL.finditer(text) if looks_secret(unquote(m["key"]))]
    found += [m.span("value") for m in _SHAPES.finditer(text)]
    if yaml:
        found += _yaml_values(text)
    return merged(found)


def merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans in order, those that touch or overlap as one."""
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        elif begin < end:
            joined.append((begin, end))
    return joined


def without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return a text with a mask in the place of each span (in order, not overlapping)."""
    parts, at = [], 0
    for begin, end in spans:
        parts += [text[at:begin], MASK]
        at = end
    return "".join([*parts, text[at:]])


def without_secrets(text: str) -> str:
    """Return a text without what looks like a secret in it: in URLs, pairs, by its shape."""
    return without(text, secret_parts(text))


def _yaml_values(line: str) -> Iterator[tuple[int, int]]:
    at = 0
    while pair := _PAIR.search(line, at):
        begin, end = pair.span("value")
        at = begin
        if looks_secret(pair["key"]):
            if "{" in line[:begin]:
                inside = _QUOTED.match(line, begin)
                end = inside.end() if inside else end
            yield begin, end
            at = end


def forms(secret: str) -> tuple[str, ...]:
    """Return all texts that give a secret away, the longest first.

    That is the secret as readers and writers of URLs, JSON and HTTP turn it, and what of it is
    secret by itself: the password and the query of a URL, values of a connection string, the keys
    of a service account, the lines of a private key. A text too long for a secret is itself alone.
    """
    if len(secret) > _LONGEST:
        return (secret,)
    found: set[str] = set()
    for part in {secret, secret.strip(), *_parts(secret.strip())}:
        found |= _spellings(part)
    return tuple(sorted((f for f in found if len(f) >= SHORTEST), key=len, reverse=True))


def _spellings(text: str) -> set[str]:
    """Return a text as it is, percent-encoded and decoded, inside JSON, and in base64."""
    raw = text.encode("utf-8", "surrogateescape")
    plain = {text, unquote(text, errors="surrogateescape"), unquote_plus(text)}
    found = set(plain)
    for each in plain:
        safe = each.encode("utf-8", "replace").decode()
        found |= {quote(safe), quote(safe, safe=""), quote_plus(safe), json.dumps(safe)[1:-1]}
    if len(text) >= _PART:
        found |= {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    return found


def _parts(secret: str) -> Iterator[str]:
    """Yield what of a secret is secret by itself."""
    if "://" in secret:
        yield from _parts_of_url(secret)
    if secret.startswith(("{", "[")):
        yield from _leaves(secret)
    for pair in _EQUAL.finditer(secret):
        value = pair["value"].strip("\"'")
        if len(value) >= (SHORTEST if looks_secret(pair["key"]) else _RANDOM):
            yield value
    lines = secret.splitlines()
    if lines[1:]:
        yield from (line.strip() for line in lines if len(line) >= _PART and "-----" not in line)


def _parts_of_url(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    login, at, _ = parts.netloc.rpartition("@")
    if at:
        _, colon, password = login.partition(":")
        yield login
        yield password if colon else login
    for query in (parts.query, parts.fragment):
        if len(query) >= _PART:
            yield query
        yield from (v for k, v in parse_qsl(query) if len(v) >= _PART or looks_secret(k))
    if len(parts.path) > _PART:
        yield parts.path
    yield from (step for step in parts.path.split("/") if _is_random(step))


def _leaves(text: str) -> Iterator[str]:
    """Yield the texts of a JSON document that are secret by their key, or that look random."""
    try:
        todo = [("", json.loads(text))]
    except (ValueError, RecursionError):
        return
    while todo:
        key, value = todo.pop()
        if isinstance(value, dict):
            todo += [(str(name), inside) for name, inside in value.items()]
        elif isinstance(value, list):
            todo += [(key, inside) for inside in value]
        elif isinstance(value, str) and (looks_secret(key) or _is_random(value)):
            yield value
            yield from (s for s in value.splitlines() if len(s) >= _PART and "-----" not in s)


def _is_random(text: str) -> bool:
    """Whether a text is one that nobody would think of: long, with digits and letters."""
    digits = sum(c.isdigit() for c in text)
    mixed = bool(digits) and any(c.isalpha() for c in text) and " " not in text
    return len(text) >= _RANDOM or (len(text) >= 12 and mixed and digits > 1)  # noqa: PLR2004


# Environment variables whose values say nothing that should stay unsaid.
_PUBLIC_NAMES = re.compile(
    r"HOME|USER|LOGNAME|HOSTNAME|PWD|LANG|SHELL|TERM|TZ|EDITOR|TMPDIR|XDG_\w+|BM_SYNC_\w+|LC_\w+"
)
_PUBLIC_VALUES = re.compile(
    r"[a-z]{0,12}|[A-Z][a-z]{0,11}|\d{0,5}|(?:/|~/|\.\.?/)[^\n]*|~|\.\.?"
    r"|(?:https?://)?[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}(?::\d+)?/?|https?://[\d.]+(?::\d+)?/?"
    r"|https?://localhost(?::\d+)?/?"
)


def is_public(name: str, value: str) -> bool:
    """Whether the value of an environment variable may be shown where a manifest puts it in.

    Well-known names, paths, single words, hosts and small numbers may, unless the name sounds
    secret: whoever runs `validate` on a manifest from elsewhere has not read which variables it
    puts into its messages.
    """
    if looks_secret(name):
        return len(value) < SHORTEST
    return bool(_PUBLIC_NAMES.fullmatch(name) or _PUBLIC_VALUES.fullmatch(value))


Veil = tuple[tuple[str, str], ...]
"""Values that are not shown, each with what stands for it, such as `${NAME}`; the longest first."""


def veil(values: Iterable[tuple[str, str]]) -> Veil:
    """Return a veil over values that are long enough to be told from other words."""
    kept = {pair for pair in values if len(pair[0]) >= SHORTEST}
    return tuple(sorted(kept, key=lambda pair: (-len(pair[0]), pair)))


def veiled(text: str, over: Veil) -> str:
    """Return a text with what stands for each value of a veil in its place."""
    for value, shown in over:
        text = text.replace(value, shown)
    return text

"""The words of messages about a manifest's shape: what a value is called, how it is put right."""

from __future__ import annotations

import json
import re
from typing import Any, TypeAlias

from bm_sync.manifest.nodes import Broken, Mapping, Node, Scalar, Sequence
from bm_sync.manifest.shown import escaped, listed, quoted

# The one open dictionary of this room: a JSON schema has no other form.
Schema: TypeAlias = dict[str, Any]

HINT = "hint"  # of the definition that a reference led to; no keyword of a schema
_MOST_KEYS_IN_A_HINT = 9


def wrong_type(rule: Schema, node: Node) -> str | None:
    """Return how a value of the wrong type is put right, None when it is not known."""
    return (_for_scalar(rule, node) if isinstance(node, Scalar) else None) or right_form(rule)


def said(node: Node) -> str:
    """Return a value as a sentence names it."""
    match node:
        case Scalar(value=None, raw=raw):
            return "null" if raw else "nothing"
        case Scalar(value=str() as value):
            return quoted(value)
        case Scalar(raw=raw):
            return escaped(raw)
        case Sequence():
            return "a list"
        case Mapping() | Broken():
            return "a mapping"


def article(title: str) -> str:
    """Return a title with `a` or `an`."""
    return f"{'an' if title[0] in 'aeiou' else 'a'} {title}"


def right_form(rule: Schema) -> str | None:
    """Return the first sentence of a rule's description as a hint says it."""
    if HINT in rule:
        told: str | None = rule[HINT]
        return told
    sentence: str = rule.get("description", "").split(". ")[0]
    return (sentence[0].lower() + sentence[1:]).rstrip(".") if sentence else None


def known_keys(known: dict[str, Schema]) -> str | None:
    """Return a hint that names the keys, None when there are too many."""
    if not 0 < len(known) <= _MOST_KEYS_IN_A_HINT:
        return None
    return f"keys are {listed(sorted(known), 'and')}"


def _for_scalar(rule: Schema, node: Scalar) -> str | None:
    """Return how a single value of the wrong type is written right, None when it is not known."""
    wanted = rule.get("type")
    if "enum" in rule:
        return f"one of {listed(map(str, rule['enum']))}"
    match wanted:
        case "object" | "array" if node.value is None:
            return "nothing is given; remove the key, or write {} or [] for an empty one"
        case "array":
            plain = re.fullmatch(r"[A-Za-z0-9_./-]+", node.raw)
            return f"write a list: [{node.raw if plain else json.dumps(escaped(node.raw))}]"
        case "boolean":
            return "write true or false"
        case "integer" | "number":
            return _for_number(wanted, node)
        case _:
            to_quote = _takes_text(rule) and node.value is not None
            return f'quote it: "{escaped(node.raw)}"' if to_quote else None


def _for_number(wanted: str, node: Scalar) -> str:
    if isinstance(node.value, str) and re.fullmatch(r"[0-9]{1,9}", node.value) and node.quote == 1:
        return f"write it without quotes: {node.value}"
    return "a whole number" if wanted == "integer" else "a number"


def _takes_text(rule: Schema) -> bool:
    return not has_pattern(rule) and "string" in str(rule.get("type", ""))


def has_pattern(rule: Schema) -> bool:
    """Whether text has to have a form."""
    return "pattern" in rule or any("pattern" in form for form in rule.get("anyOf", ()))

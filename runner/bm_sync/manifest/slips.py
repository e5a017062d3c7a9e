"""Tells the slips of a manifest that was refused: unknown and missing keys, types, choices, ranges.

The schema is the one source of keys; this walks it beside the nodes, so that every slip is told
once, where it stands, and a union is reduced to the form that was meant. Whether a manifest is
refused is decided in `judge`. Handles exactly the keywords in `KEYWORDS`; a test holds what it
finds to the verdict of the `jsonschema` package.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from bm_sync.manifest.codes import Code
from bm_sync.manifest.diagnostic import Report
from bm_sync.manifest.nodes import Broken, Entry, Mapping, Node, Scalar, Sequence, Spot, kind
from bm_sync.manifest.shown import escaped, listed, nearest, quoted
from bm_sync.manifest.wording import (
    HINT,
    Schema,
    article,
    has_pattern,
    known_keys,
    right_form,
    said,
    wrong_type,
)

ANNOTATIONS = frozenset({"$schema", "$id", "title", "description", "default", "examples"})
KEYWORDS = ANNOTATIONS | {
    "$ref", "definitions", "type", "enum", "anyOf", "pattern", "minLength", "minimum", "maximum",
    "items", "properties", "required", "additionalProperties", "propertyNames",
}  # fmt: skip
_REFERENCE = "#/definitions/"

# What is often written into a project, or into the defaults, though it belongs elsewhere.
_PROJECT = re.compile(r"projects\.[^.]*")
_OWNERS = {
    "policy": "it is a key of policies: policy: {{{}: ...}}",
    "filter": "it is a key of filters: declare one there, and name it here in filters: [...]",
}


def tell_slips(node: Node, report: Report, schema: Schema) -> Mapping:
    """Return the manifest with everything refused replaced by `Broken`; slips go to `report`."""
    walk = _Walk(schema, report)
    if not isinstance(node, Mapping):
        what = "a manifest is a mapping of keys to values, such as 'version: 1'"
        report.error(Code.EMPTY, node.spot, what, "bm-sync init writes a first one")
        return Mapping()
    return walk.mapping(walk.root, node, "", node.spot)


class _Walk:
    def __init__(self, root: Schema, report: Report) -> None:
        self.root = root
        self._report = report
        self._resolved: dict[int, tuple[Schema, Schema]] = {}
        self._forms: dict[int, tuple[Schema, tuple[Schema, ...]]] = {}

    def node(self, rule: Schema, node: Node, where: str, at: Spot) -> Node:
        """Look at a value; `where` is its dotted place, `at` where its key stands."""
        if isinstance(node, Broken):
            return node
        form = self._form(self._followed(rule), node)
        if form is None or not _is_of(form, node):
            return self._refuse_form(self._followed(rule), node, where)
        match node:
            case Mapping():
                return self.mapping(form, node, where, at)
            case Sequence():
                return self._sequence(form, node, where)
            case Scalar():
                return self._scalar(form, node, where)

    def mapping(self, rule: Schema, node: Mapping, where: str, at: Spot) -> Mapping:
        """Look at keys and values of a mapping."""
        known: dict[str, Schema] = rule.get("properties", {})
        others = rule.get("additionalProperties")
        entries: dict[str, Entry] = {}
        for name, entry in node.entries.items():
            if name in known:
                entries[name] = self._entry(known[name], entry, where)
            elif isinstance(others, dict):
                entries[name] = self._named(rule, others, entry, where)
            else:
                self._unknown_key(rule, node, entry, where, entries)
        for name in rule.get("required", ()):
            if name not in entries:
                self._missing_key(name, rule, where, at)
                entries[name] = Entry(Scalar(name, name, at), Broken(at))
        return Mapping(entries, node.spot)

    def _entry(self, rule: Schema, entry: Entry, where: str) -> Entry:
        inside = f"{where}.{entry.key.raw}" if where else entry.key.raw
        return Entry(entry.key, self.node(rule, entry.value, inside, entry.key.spot))

    def _named(self, rule: Schema, others: Schema, entry: Entry, where: str) -> Entry:
        """Look at an entry whose key is a name of the user's choice."""
        names = rule.get("propertyNames")
        if names is not None:
            followed = self._followed(names)
            if not _matches(followed["pattern"], entry.key.raw):
                self._refuse(Code.MALFORMED, followed, entry.key, where)
                return Entry(entry.key, Broken(entry.value.spot))
        return self._entry(others, entry, where)

    def _sequence(self, rule: Schema, node: Sequence, where: str) -> Node:
        items = rule.get("items", {})
        seen = (
            self.node(items, item, f"{where}[{i}]", item.spot) for i, item in enumerate(node.items)
        )
        return Sequence(tuple(seen), node.spot)

    def _scalar(self, rule: Schema, node: Scalar, where: str) -> Node:
        value = node.value
        if "enum" in rule and value not in rule["enum"]:
            return self._refuse_choice(rule, node, where)
        if isinstance(value, str):
            if "pattern" in rule and not _matches(rule["pattern"], value):
                return self._refuse(Code.MALFORMED, rule, node, where)
            if len(value) < rule.get("minLength", 0):
                self._report.error(Code.MALFORMED, node.spot, f"{where} must not be empty")
                return Broken(node.spot)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            low, high = rule.get("minimum"), rule.get("maximum")
            if (low is not None and value < low) or (high is not None and value > high):
                what = f"{node.raw} is out of range in {where}"
                hint = f"{low} to {high}" if high is not None else f"{low} or more"
                self._report.error(Code.OUT_OF_RANGE, node.spot, what, hint)
                return Broken(node.spot)
        return node

    def _followed(self, rule: Schema) -> Schema:
        """Return a rule with its reference put in; its own title and description win."""
        if "$ref" not in rule:
            return rule
        known = self._resolved.get(id(rule))
        if known is None:
            target = self.root["definitions"][rule["$ref"].removeprefix(_REFERENCE)]
            own = {k: v for k, v in rule.items() if k in ANNOTATIONS}
            known = (rule, {**self._followed(target), **own, HINT: right_form(target)})
            self._resolved[id(rule)] = known
        return known[1]

    def _form(self, rule: Schema, node: Node) -> Schema | None:
        """Return the form of a union that was meant; None when no form has the value's type."""
        if "anyOf" not in rule:
            return rule
        fitting = [form for form in self._all_forms(rule) if _is_of(form, node)]
        if len(fitting) > 1 and isinstance(node, Mapping):
            meant = max(fitting, key=lambda form: _likeness(form, node))
            return _with_choices_of_all(meant, fitting, node)
        return fitting[0] if fitting else None

    def _all_forms(self, rule: Schema) -> tuple[Schema, ...]:
        known = self._forms.get(id(rule))
        if known is None:
            known = (rule, tuple(self._flattened(rule)))
            self._forms[id(rule)] = known
        return known[1]

    def _flattened(self, rule: Schema) -> Iterator[Schema]:
        for form in rule["anyOf"]:
            followed = self._followed(form)
            told = {k: rule[k] for k in ("title", "description", HINT) if k in rule}
            inside = {**told, **followed}
            if "anyOf" in inside:
                yield from self._flattened(inside)
            else:
                yield inside

    def _unknown_key(
        self, rule: Schema, node: Mapping, entry: Entry, where: str, entries: dict[str, Entry]
    ) -> None:
        key = entry.key
        known = rule.get("properties", {})
        near = nearest(key.raw, (k for k in known if k not in node.entries))
        place = f" in {escaped(where)}" if where else ""
        hint = f"did you mean {quoted(near)}?" if near else known_keys(known)
        owner = self._owner(key.raw, where)
        if owner is not None:
            near, hint = None, owner
        self._report.error(
            Code.UNKNOWN_KEY, key.spot, f"unknown key {quoted(key.raw)}{place}", hint
        )
        if near:
            entries[near] = Entry(key, Broken(entry.value.spot))

    def _owner(self, key: str, where: str) -> str | None:
        """Return where a key belongs that stands in a project or in the defaults, but is none."""
        if where != "defaults" and not _PROJECT.fullmatch(where):
            return None
        for name, hint in _OWNERS.items():
            if key in self.root["definitions"].get(name, {}).get("properties", {}):
                return hint.format(key)
        return None

    def _missing_key(self, name: str, rule: Schema, where: str, at: Spot) -> None:
        place = escaped(where) if where else "the manifest"
        rule = self._followed(rule["properties"][name])
        example = rule["examples"][0]
        hint = f"such as {name}: {example}" if isinstance(example, (str, int)) else right_form(rule)
        self._report.error(Code.MISSING_KEY, at, f"{quoted(name)} is missing in {place}", hint)

    def _refuse(self, code: Code, rule: Schema, node: Node, where: str) -> Broken:
        what = f"{said(node)} is not {article(rule['title'])} in {escaped(where)}"
        self._report.error(code, node.spot, what, right_form(rule))
        return Broken(node.spot)

    def _refuse_form(self, rule: Schema, node: Node, where: str) -> Broken:
        """Refuse a value of the wrong type."""
        what = f"{said(node)} is not {article(rule['title'])} in {escaped(where)}"
        code = Code.MALFORMED if has_pattern(rule) and kind(node) == "string" else Code.WRONG_TYPE
        self._report.error(code, node.spot, what, wrong_type(rule, node))
        return Broken(node.spot)

    def _refuse_choice(self, rule: Schema, node: Scalar, where: str) -> Broken:
        choices = [str(choice) for choice in rule["enum"]]
        near = nearest(node.raw, choices) or _elsewhere(node.raw, choices)
        what = f"{said(node)} is not one of {listed(choices, 'and')} in {escaped(where)}"
        hint = f"did you mean {quoted(near)}?" if near else None
        self._report.error(Code.NOT_ONE_OF, node.spot, what, hint)
        return Broken(node.spot)


_ELSEWHERE = {"bisync": "two-way", "sync": "mirror", "copy": "push", "download": "pull"}


def _elsewhere(word: str, choices: Collection[str]) -> str | None:
    """Return what a word of rclone is called here, where it is one of the choices."""
    meant = _ELSEWHERE.get(word.lower())
    return meant if meant in choices else None


def _is_of(rule: Schema, node: Node) -> bool:
    types = rule.get("type")
    if types is None:
        return True
    wanted = (types,) if isinstance(types, str) else types
    found = kind(node)
    return found in wanted or (found == "integer" and "number" in wanted)


def _with_choices_of_all(meant: Schema, forms: list[Schema], node: Mapping) -> Schema:
    """Return a form in which what tells the forms apart names every choice, where none was made."""
    keys: dict[str, Schema] = meant.get("properties", {})
    told: dict[str, Schema] = {}
    for name, entry in node.entries.items():
        rules = [form.get("properties", {}).get(name, {}) for form in forms]
        choices = [choice for rule in rules for choice in rule.get("enum", ())]
        said = entry.value.value if isinstance(entry.value, Scalar) else None
        if len(choices) == len(forms) and all("enum" in r for r in rules) and said not in choices:
            told[name] = {**keys[name], "enum": choices}
    return {**meant, "properties": {**keys, **told}} if told else meant


def _likeness(rule: Schema, node: Mapping) -> int:
    """Return how much a mapping looks as if this form of a union was meant."""
    known: dict[str, Schema] = rule.get("properties", {})
    score = sum(2 for name in rule.get("required", ()) if name in node.entries)
    for name, entry in node.entries.items():
        if name not in known:
            score += 1 if nearest(name, known) else 0
            continue
        score += 2
        choices = known[name].get("enum")
        if choices is not None and isinstance(entry.value, Scalar):
            right, telling = entry.value.value in choices, len(choices) == 1
            score += 3 if right else -10 if telling else 0
    return score


def _matches(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is not None

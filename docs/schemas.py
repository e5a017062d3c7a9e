"""Writes the schemas of plans, runs, events and fleet notes from their types: `make schemas`.

The types say what keys there are, of what kind, and what may be null; every key is always written.
What a key means is said in the schema itself, and stays there when it is written anew. A new key
gets an empty description, and a test asks for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, get_args

import msgspec

from bm_sync.model.fleet import FleetNote
from bm_sync.model.plan import Plan
from bm_sync.model.run import Event, Run
from bm_sync.paths import schema_file
from bm_sync.state.wire import EVENT_NAMES

Rule = dict[str, Any]

_CALLED = {"ProjectPlan": "project", "ProjectRun": "project", "FleetProject": "project"}
_BOUNDS = {"minimum": -(2**63 - 1), "maximum": 2**63 - 1}  # what any whole number is held to
_DROPPED = ("title", "default", "description", "discriminator", "maxLength")


def plan(old: Rule) -> Rule:
    """Return the schema of plans."""
    made = _Shapes((Plan,))
    whole = made.take("plan", version=1, kind="plan")
    wants = made.shapes["wants"]
    del wants["properties"]["at"]  # known while a plan is made, and not written
    wants["required"].remove("at")
    return _worded(_joined(old, whole, made.shapes), old)


def run(old: Rule) -> Rule:
    """Return the schema of runs."""
    made = _Shapes((Run,), tagged=False)
    whole = made.take("run", version=1, kind="run")
    return _worded(_joined(old, whole, made.shapes), old)


def event(old: Rule) -> Rule:
    """Return the schema of events."""
    kinds = get_args(Event)
    made = _Shapes(kinds, tagged=False)
    each = [made.take(_called(k.__name__), version=1, event=EVENT_NAMES[k]) for k in kinds]
    return _worded(_joined(old, {"oneOf": each}, made.shapes), old)


def fleet(old: Rule) -> Rule:
    """Return the schema of a machine's note to its fleet."""
    made = _Shapes((FleetNote,), tagged=False)
    whole = made.take("fleet_note", version=1, kind="fleet")
    return _worded(_joined(old, whole, made.shapes), old)


ALL = {"plan": plan, "run": run, "event": event, "fleet": fleet}


def text(name: str) -> str:
    """Return a schema as it has to be, with the words of the one that is there."""
    old: Rule = json.loads(schema_file(name).read_text("utf-8"))
    return json.dumps(ALL[name](old), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all of them."""
    for name in ALL:
        made = text(name)
        schema_file(name).write_text(made, encoding="utf-8")


def _called(name: str) -> str:
    return _CALLED.get(name) or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


class _Shapes:
    """What msgspec says of some types, in the words that draft-07 and 2020-12 share."""

    def __init__(self, types: Iterable[type], *, tagged: bool = True) -> None:
        template = "#/definitions/{name}"
        _, found = msgspec.json.schema_components(types, ref_template=template)
        self._tagged = tagged
        # msgspec sorts the words; each type has them in an order that says something.
        ordered = {
            frozenset(map(str, kind)): list(map(str, kind)) for kind in StrEnum.__subclasses__()
        }
        words = ((name, rule["enum"]) for name, rule in found.items() if "enum" in rule)
        self._words = {name: ordered[frozenset(some)] for name, some in words}
        self.shapes: dict[str, Rule] = {
            _called(name): self._shape(rule) for name, rule in found.items() if "enum" not in rule
        }

    def take(self, name: str, **head: int | str) -> Rule:
        """Return a shape that is a document of its own, with what tells it from others."""
        found = self.shapes.pop(name)
        tells = {key: {"const": value} for key, value in head.items()}
        found["properties"] = {**tells, **found["properties"]}
        found["required"] = [*head, *found["required"]]
        return found

    def _shape(self, rule: Rule) -> Rule:
        members = {key: self._tidy(value) for key, value in rule["properties"].items()}
        if not self._tagged and "enum" in rule["properties"].get("kind", {}):
            del members["kind"]  # the tag of a type; a member of that name is no plain enumeration
        return {
            "type": "object",
            "properties": members,
            "required": list(members),
            "additionalProperties": False,
        }

    def _tidy(self, rule: Rule) -> Rule:
        kept = {k: v for k, v in rule.items() if k not in _DROPPED and _BOUNDS.get(k) != v}
        match kept:
            case {"$ref": str(where)}:
                name = where.rpartition("/")[2]
                if name in self._words:
                    return {"type": "string", "enum": self._words[name]}
                return {"$ref": f"#/definitions/{_called(name)}"}
            case {"anyOf": list(several)}:
                return _either([self._tidy(each) for each in several])
            case {"items": dict(inside)}:
                return {**kept, "items": self._tidy(inside)}
            case {"enum": list(words)}:
                return {"type": "string", "enum": words}
            case _:
                return kept


def _either(several: list[Rule]) -> Rule:
    """Return one rule for several; a plain one that may be null stays plain."""
    some = [rule for rule in several if rule != {"type": "null"}]
    if len(some) == 1 and "oneOf" in some[0]:
        return {"oneOf": [*some[0]["oneOf"], *(rule for rule in several if rule not in some)]}
    if len(some) == len(several) or len(some) > 1 or "$ref" in some[0]:
        return {"oneOf": several}
    one = dict(some[0])
    one["type"] = [one["type"], "null"]
    if "enum" in one:
        one["enum"] = [*one["enum"], None]
    return one


def _joined(old: Rule, whole: Rule, shapes: Mapping[str, Rule]) -> Rule:
    head = {key: old[key] for key in ("$schema", "$id", "title", "description")}
    return {**head, **whole, "definitions": dict(shapes)}


def _worded(new: Rule, old: Rule) -> Rule:
    """Put the words of the schema that is there into the one that was made."""
    for name, shape in new["definitions"].items():
        before = old["definitions"].get(name, {})
        new["definitions"][name] = {"description": before.get("description", ""), **shape}
    for shape, before in _pairs(new, old):
        for key, rule in shape.get("properties", {}).items():
            said = _said(before.get("properties", {}).get(key, {}), old)
            shape["properties"][key] = {"description": said, **rule} if "$ref" not in rule else rule
    return new


def _pairs(new: Rule, old: Rule) -> Iterable[tuple[Rule, Rule]]:
    yield new, old
    for name, shape in new["definitions"].items():
        yield shape, old["definitions"].get(name, {})
    for shape, before in zip(new.get("oneOf", ()), old.get("oneOf", ()), strict=False):
        shape["description"] = before.get("description", "")
        yield shape, before


def _said(rule: Rule, old: Rule) -> str:
    """Return what a key means, said beside it or by what it refers to."""
    if "description" in rule or "$ref" not in rule:
        return str(rule.get("description", ""))
    return str(old["definitions"][rule["$ref"].rpartition("/")[2]]["description"])


if __name__ == "__main__":
    main()

"""Writes docs/reference.md from the parser, the schema and the codes: `make reference`.

Everything stands where the program itself reads it; a test holds the page to it.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bm_sync.cli.catalogue import GROUPS
from bm_sync.cli.envelope import STATUS_WORDS
from bm_sync.cli.parser import DEFAULTS, CommandParser, top
from bm_sync.manifest import codes
from bm_sync.paths import schema_file

PAGE = Path(__file__).with_name("reference.md")
Rule = dict[str, Any]

_HEAD = """\
# Reference

Every command with its options, every key of a manifest, every code. Made by `make reference` from
the program itself. [sync.yaml.example](../sync.yaml.example) shows all keys in one manifest.
"""


def reference() -> str:
    """Return the whole page."""
    parts = [_HEAD, *_commands(), *_manifest(), *_exits(), *_codes()]
    return "\n".join(parts)


def main() -> None:
    """Write the page."""
    PAGE.write_text(reference(), encoding="utf-8")


def _commands() -> Iterator[str]:
    yield "## Commands\n"
    yield "Options that every command takes, before or after its name:\n"
    yield _table(("option", ""), [_option(action) for action in _own(top(), every=True)])
    for group, commands in GROUPS:
        yield f"### {group}\n"
        for name, summary in commands:
            parser = CommandParser(prog=f"bm-sync {name}", allow_abbrev=False)
            parser.declare()
            yield f"#### bm-sync {name}\n"
            yield f"{_cell(summary[0].upper() + summary[1:])}.\n"
            rows = [_option(action) for action in _own(parser, every=False)]
            if rows:
                yield _table(("argument", ""), rows)


def _own(parser: argparse.ArgumentParser, *, every: bool) -> list[argparse.Action]:
    """Return the arguments of a command alone, or those that every command takes."""
    known = {*DEFAULTS, "help"}
    found = [action for action in parser._actions if action.dest != "command"]  # noqa: SLF001 - argparse has no public way
    return [a for a in found if every or a.dest not in known]


def _option(action: argparse.Action) -> tuple[str, str]:
    said = action.help or ""
    if "%(" in said:
        said = said % vars(action)
    return f"`{_form(action)}`", _cell(said)


def _form(action: argparse.Action) -> str:
    value = action.metavar if isinstance(action.metavar, str) else None
    if value is None and action.nargs != 0:
        value = " ".join(map(str, action.choices)) if action.choices else action.dest.upper()
        value = value.replace(" ", ", ")
    many = "..." if action.nargs in {"*", "+"} else ""
    if not action.option_strings:
        return f"{value}{many}"
    names = ", ".join(action.option_strings)
    if action.nargs == 0:
        return names
    return f"{names} [{value}]" if action.nargs == "?" else f"{names} {value}"


def _manifest() -> Iterator[str]:
    schema: Rule = json.loads(schema_file("manifest").read_text("utf-8"))
    yield "## The manifest\n"
    yield f"{_cell(schema['description'])}\n"
    yield _table(_KEYS, list(_keys(schema, schema)))
    for name, rule in schema["definitions"].items():
        if not _has_keys(rule):
            continue
        yield f"### {name}\n"
        yield f"{_cell(rule['description'])}\n"
        for form in rule.get("anyOf", [rule]):
            if "properties" in form:
                yield _table(_KEYS, list(_keys(form, schema)))


_KEYS = ("key", "value", "default", "")


def _keys(rule: Rule, schema: Rule, begin: str = "") -> Iterator[tuple[str, ...]]:
    """Yield a row for each key; the keys of groups follow their group."""
    required = rule.get("required", ())
    for name, said in rule["properties"].items():
        inside = _followed(said, schema)
        default = "" if "default" not in inside else f"`{json.dumps(inside['default'])}`"
        group = "$ref" not in said and inside.get("type") == "object" and "properties" in inside
        must = "required" if name in required else "" if group else default
        yield (f"`{begin}{name}`", _value(said, schema), must, _cell(inside["description"]))
        if group:
            yield from _keys(inside, schema, f"{begin}{name}.")


def _followed(rule: Rule, schema: Rule) -> Rule:
    if "$ref" not in rule:
        return rule
    target = schema["definitions"][rule["$ref"].rpartition("/")[2]]
    return {**target, **{key: value for key, value in rule.items() if key != "$ref"}}


def _value(rule: Rule, schema: Rule) -> str:
    """Return what may stand for a key, with links to what has keys of its own."""
    inside = _followed(rule, schema)
    match inside:
        case _ if "$ref" in rule and _has_keys(inside):
            name = rule["$ref"].rpartition("/")[2]
            return f"[{name}](#{name.lower()})"
        case {"enum": choices}:
            return " ".join(f"`{json.dumps(choice)}`" for choice in choices).replace('"', "")
        case {"type": "array", "items": items}:
            return f"list: {_value(items, schema)}"
        case {"additionalProperties": dict() as others}:
            return f"by name: {_value(others, schema)}"
        case {"anyOf": forms} if any("$ref" in form for form in forms):
            return " or ".join(_value(form, schema) for form in forms)
    return _plain(inside)


def _has_keys(rule: Rule) -> bool:
    return any(form.get("properties") for form in rule.get("anyOf", [rule]))


def _plain(rule: Rule) -> str:
    """Return what a single value is called."""
    match rule.get("type"):
        case "boolean":
            return "`true` `false`"
        case "null":
            return "null"
        case kind:
            return _cell(rule.get("title") or str(kind or "text"))


def _exits() -> Iterator[str]:
    yield "## Exit codes\n"
    yield "When several projects end differently, the most serious decides.\n"
    rows = [(str(int(code)), f"`{word}`") for code, word in sorted(STATUS_WORDS.items())]
    yield _table(("code", "status in JSON"), rows)


def _codes() -> Iterator[str]:
    yield "## What can be wrong with a manifest\n"
    yield "`bm-sync explain CODE` tells more, with an example of wrong and right.\n"
    yield _table(("code", ""), [(str(e.code.value), _cell(e.title)) for e in codes.explanations()])


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(text: str) -> str:
    """Return a text as Markdown that shows it as it is, in one line of a table."""
    return re.sub(r"([|*<\[\]_])", r"\\\1", " ".join(text.split()))


if __name__ == "__main__":
    main()

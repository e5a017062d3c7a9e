"""docs/reference.md is what the program says today."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from bm_sync.cli.catalogue import SUMMARIES
from bm_sync.manifest.codes import Code
from bm_sync.paths import schema_file

DOCS = Path(__file__).parents[2] / "docs"


def generator(name: str = "generate") -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_up_to_date() -> None:
    page = (DOCS / "reference.md").read_text("utf-8")
    assert page == generator().reference(), "run: make reference"


@pytest.mark.parametrize("name", ["plan", "run", "event", "fleet"])
def test_a_schema_says_what_the_types_say(name: str) -> None:
    """Change the types, run `make schemas`, and describe what is new."""
    assert schema_file(name).read_text("utf-8") == generator("schemas").text(name)


def test_every_command_code_and_key_of_the_schema_is_there() -> None:
    page = generator().reference()
    assert [name for name in SUMMARIES if f"\n#### bm-sync {name}\n" not in page] == []
    assert [code for code in Code if f"\n| {code.value} | " not in page] == []
    text = schema_file("manifest").read_text("utf-8")
    keys = {key for found in json.loads(text)["definitions"].values() for key in properties(found)}
    assert len(keys) > 40
    assert [
        key
        for key in keys
        if not re.search(rf"^\| `[\w.+-]*{re.escape(key)}` \|", page, re.MULTILINE)
    ] == []


def properties(rule: object) -> set[str]:
    """Return every key that a schema declares, at any depth."""
    if isinstance(rule, list):
        return {key for part in rule for key in properties(part)}
    if not isinstance(rule, dict):
        return set()
    inside = {key for part in rule.values() for key in properties(part)}
    return inside | set(rule.get("properties", {}))


def test_a_cell_shows_its_text_whatever_is_in_it() -> None:
    cell = generator()._cell
    assert cell("a | b\n<c> *d* [e] f_g") == r"a \| b \<c\> \*d\* \[e\] f\_g".replace(r"\>", ">")

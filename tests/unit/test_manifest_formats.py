"""The same problems for a person, for programs, for GitHub and for SARIF readers."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

import pytest
from msgspec.structs import asdict

from bm_sync.manifest import formats
from bm_sync.model.report import Diagnostic

ERROR = Diagnostic(
    code="BMS004",
    severity="error",
    what="unknown key 'remotee' in projects.notes",
    file="team, 100%/sync:1.yaml",
    line=5,
    column=5,
    length=7,
    line_text="    remotee: cloud",
    hint="did you mean 'remote'?",
)
WARNING = Diagnostic(
    code="BMS034", severity="warning", what="50% of\r\nit", file="sync.yaml", line=7, column=3
)


def test_nothing_wrong_is_nothing_to_say() -> None:
    assert formats.text(()) == ""
    assert formats.github(()) == ""
    assert json.loads(formats.as_json(())) == []
    assert json.loads(formats.sarif(()))["runs"][0]["results"] == []


def test_text_has_the_place_the_line_a_caret_and_the_hint() -> None:
    assert formats.text([ERROR]) == (
        "team, 100%/sync:1.yaml:5:5: error BMS004: unknown key 'remotee' in projects.notes\n"
        "        5 |     remotee: cloud\n"
        "          |     ^^^^^^^ did you mean 'remote'?\n"
        "1 error; bm-sync explain BMS004\n"
    )


@pytest.mark.parametrize(
    ("line", "column", "length", "shown", "caret"),
    [
        ("\tab: c", 2, 2, "    ab: c", "    ^^"),
        ("a\x1bb: c", 3, 1, "a\\x1bb: c", "     ^"),
        ("ab\x1b: c", 1, 3, "ab\\x1b: c", "^^^^^^"),
        ("ab", 3, 1, "ab", "  ^"),
        ("é: ü", 4, 1, "é: ü", "   ^"),
    ],
)
def test_the_caret_stands_below_what_is_shown(
    line: str, column: int, length: int, shown: str, caret: str
) -> None:
    told = formats.text(
        [Diagnostic("BMS004", "error", "x", "f", 1, column, length, line_text=line)]
    ).splitlines()
    assert told[1] == f"        1 | {shown}"
    assert told[2] == f"          | {caret}"


def test_text_without_a_source_line_keeps_the_hint() -> None:
    assert formats.text([Diagnostic("BMS001", "error", "no file", "f", 1, 1, hint="init")]) == (
        "f:1:1: error BMS001: no file\n    init\n1 error; bm-sync explain BMS001\n"
    )


def test_the_last_line_counts_and_names_an_error_first() -> None:
    last = formats.text([WARNING, ERROR, ERROR]).splitlines()[-1]
    assert last == "2 errors, 1 warning; bm-sync explain BMS004"
    assert formats.text([WARNING]).splitlines()[-1] == "1 warning; bm-sync explain BMS034"


def test_a_file_name_is_escaped_in_text() -> None:
    told = formats.text([Diagnostic("BMS001", "error", "x", "a\x1b[31m\nb\u202e\udcff", 1, 1)])
    assert told.startswith("a\\x1b[31m\\x0ab\\u202e\\udcff:1:1: error")


def test_json_has_every_field_but_where_the_caret_of_a_text_stands() -> None:
    said = [asdict(d) for d in (ERROR, WARNING)]
    for each in said:
        del each["caret"]
    assert json.loads(formats.as_json([ERROR, WARNING])) == said


def unescaped(text: str) -> str:
    """Undo the escapes as GitHub's runner does (ActionCommand.cs)."""
    for code, character in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n")):
        text = text.replace(code, character)
    return text.replace("%25", "%")


def test_github_reads_back_what_was_said() -> None:
    first, second = formats.github([ERROR, WARNING]).splitlines()
    command, properties, message = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", first).groups()  # type: ignore[union-attr]
    said = dict(pair.split("=", 1) for pair in properties.split(","))
    assert command == "error"
    assert {name: unescaped(value) for name, value in said.items()} == {
        "file": ERROR.file,
        "line": "5",
        "col": "5",
        "endColumn": "12",
        "title": "BMS004",
    }
    assert unescaped(message) == f"{ERROR.what} ({ERROR.hint})"
    assert second == (
        "::warning file=sync.yaml,line=7,col=3,endColumn=4,title=BMS034::50%25 of%0D%0Ait"
    )


def sarif(*found: Diagnostic) -> Any:  # noqa: ANN401 - JSON
    return json.loads(formats.sarif(found))


def test_sarif_has_the_rule_the_place_and_the_level_of_each_problem() -> None:
    log = sarif(ERROR, WARNING)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "bm-sync"
    assert [rule["id"] for rule in driver["rules"]] == ["BMS004", "BMS034"]
    assert all(rule["help"]["text"] for rule in driver["rules"])
    first, second = run["results"]
    assert (first["ruleId"], first["level"]) == ("BMS004", "error")
    assert (second["ruleId"], second["level"]) == ("BMS034", "warning")
    place = first["locations"][0]["physicalLocation"]
    assert place["region"] == {"startLine": 5, "startColumn": 5, "endColumn": 12}
    assert unquote(place["artifactLocation"]["uri"]) == ERROR.file


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("sync.yaml", "sync.yaml"),
        ("a b/ü.yaml", "a%20b/%C3%BC.yaml"),
        ("/srv/sync.yaml", "file:///srv/sync.yaml"),
        ("a\udcff", "a%FF"),
        ("a:b.yaml", "a%3Ab.yaml"),
    ],
)
def test_sarif_names_files_by_uri(file: str, uri: str) -> None:
    log = sarif(Diagnostic("BMS001", "error", "x", file, 1, 1))
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == uri


@pytest.mark.parametrize("form", formats.FORMATS)
def test_every_format_is_ascii_safe_for_a_pipe_or_a_terminal(form: formats.Format) -> None:
    hostile = Diagnostic("BMS004", "error", "x", "f\udcff\x1b\x9b", 1, 1, line_text="\x1b[2J\x9b")
    told = formats.render([hostile], form)
    assert told
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]", told)

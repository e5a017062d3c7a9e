"""`jsonschema` decides; what it refuses is told, in words of ours or in its own."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bm_sync import manifest
from bm_sync.manifest import formats
from bm_sync.manifest.compose import compose
from bm_sync.manifest.diagnostic import Report
from bm_sync.manifest.expand import expand
from bm_sync.manifest.judge import judge
from bm_sync.manifest.secrets import mask
from bm_sync.model.diagnostic import Diagnostic
from bm_sync.paths import schema_file

TEXT = """\
version: 1
remotes:
  box: {type: sftp, options: {host: box, pass: "open\\\\sesame"}}
projects:
  notes:
    local: notes
    tags: [daily, team, daily]
"""
SCHEMA: dict[str, Any] = json.loads(schema_file("manifest").read_text("utf-8"))


def stricter(*path: str, **keywords: Any) -> str:  # noqa: ANN401 - JSON values
    """Return the schema's text with keywords that `slips` has no words for."""
    whole = copy.deepcopy(SCHEMA)
    rule = whole
    for step in path:
        rule = rule[step]
    rule.update(keywords)
    return json.dumps(whole)


def told(schema: str, text: str = TEXT) -> tuple[Diagnostic, ...]:
    report = Report(Path("sync.yaml"), text)
    written = compose(text, report)
    assert written is not None
    document = expand(written, {}, report)
    mask(document, report)
    assert judge(document, report, {"HOME": "/nowhere"}, schema) is None
    return report.finish()


PROJECT = ("definitions", "project")


@pytest.mark.parametrize(
    ("path", "keywords", "place", "what"),
    [
        (
            (*PROJECT, "properties", "local"),
            {"maxLength": 3},
            (6, 12),
            "this value is too long in projects.notes.local",
        ),
        (
            (*PROJECT, "properties", "tags"),
            {"uniqueItems": True},
            (7, 5),
            "this value has non-unique elements in projects.notes.tags",
        ),
        (
            (*PROJECT, "properties", "tags", "items"),
            {"not": {"enum": ["team"]}},
            (7, 19),
            "this value should not be valid under {'enum': ['team']} in projects.notes.tags[1]",
        ),
        (
            PROJECT,
            {"minProperties": 3},
            (5, 3),
            "this value does not have enough properties in projects.notes",
        ),
        (
            ("definitions", "projectName"),
            {"maxLength": 2},
            (5, 3),
            "this value is too long in projects",
        ),
        ((), {"maxProperties": 2}, (1, 1), "this value has too many properties in the manifest"),
    ],
)
def test_what_is_refused_without_words_of_ours_is_told_in_those_of_jsonschema(
    path: tuple[str, ...], keywords: dict[str, Any], place: tuple[int, int], what: str
) -> None:
    (found,) = told(stricter(*path, **keywords))
    assert (found.code, found.severity) == ("BMS036", "error")
    assert ((found.line, found.column), found.what) == (place, what)
    assert found.hint == "bm-sync schema prints what may stand"


def test_a_refused_secret_is_not_in_the_words_of_jsonschema() -> None:
    whole = copy.deepcopy(SCHEMA)
    options = whole["definitions"]["remote"]["anyOf"][0]["properties"]["options"]
    options["additionalProperties"]["not"] = {"pattern": "sesame$"}
    found = told(json.dumps(whole))
    assert [d.code for d in found] == ["BMS036"]
    assert (found[0].line, found[0].column) == (3, 48)
    assert "sesame" not in "".join(formats.render(found, form) for form in formats.FORMATS).replace(
        "'sesame$'", ""
    )


def test_a_slip_with_words_of_ours_is_told_alone() -> None:
    text = TEXT.replace("local:", "locla:")
    report = Report(Path("sync.yaml"), text)
    document = compose(text, report)
    assert document is not None
    judged = judge(document, report, {}, stricter(*PROJECT, "properties", "tags", uniqueItems=True))
    assert judged is not None
    assert judged.accepted is None
    assert [d.code for d in report.finish()] == ["BMS004"]


def load(tmp_path: Path, text: str) -> manifest.Loaded:
    file = tmp_path / "sync.yaml"
    file.write_text(text)
    return manifest.load(file, {"HOME": str(tmp_path / "home")}, state_dir=tmp_path / "state")


def test_a_whole_number_may_be_written_with_a_point(tmp_path: Path) -> None:
    # JSON Schema knows numbers, not how they are written.
    loaded = load(
        tmp_path,
        "version: 1.0\n"
        "policies: {p: {guards: {max_delete: 5.0}, limits: {transfers: 2.0}}}\n"
        "defaults: {policy: p}\n"
        "projects: {notes: {local: notes, remote: null}}\n",
    )
    policy = loaded.manifest.projects[0].policy
    assert (policy.guards.max_delete.count, policy.limits.transfers) == (5, 2)
    assert isinstance(policy.guards.max_delete.count, int)


@pytest.mark.parametrize("value", ["5.5", "-1.0", "1e999"])
def test_a_number_that_is_not_whole_is_no_count(tmp_path: Path, value: str) -> None:
    with pytest.raises(manifest.ManifestError) as caught:
        load(tmp_path, f"version: 1\npolicies: {{p: {{limits: {{transfers: {value}}}}}}}\n")
    assert "BMS036" not in [d.code for d in caught.value.diagnostics]


_PROBE = """
import sys
from pathlib import Path
from bm_sync import manifest
folder = Path(sys.argv[1])
try:
    manifest.load(folder / "sync.yaml", {"HOME": sys.argv[1]}, state_dir=folder / "state")
except manifest.ManifestError as e:
    print(*[d.code for d in e.diagnostics])
print(*sorted({"jsonschema", "bm_sync.model.plan"} & set(sys.modules)))
"""


def probe(tmp_path: Path, text: str) -> str:
    (tmp_path / "sync.yaml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, str(tmp_path)],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout.strip()


def test_jsonschema_is_asked_once_about_a_manifest(tmp_path: Path) -> None:
    text = "version: 1\nprojects: {notes: {local: notes, remote: null}}\n"
    assert probe(tmp_path, text) == "jsonschema"
    assert probe(tmp_path, text) == ""
    assert probe(tmp_path, f"# Another comment is no other document.\n{text}") == ""
    assert probe(tmp_path, text.replace("notes:", "other:")) == "jsonschema"


def test_a_refused_manifest_is_judged_again(tmp_path: Path) -> None:
    text = "version: 1\nprojects: {notes: {locla: notes}}\n"
    assert probe(tmp_path, text) == "BMS004\njsonschema"
    assert probe(tmp_path, text) == "BMS004\njsonschema"

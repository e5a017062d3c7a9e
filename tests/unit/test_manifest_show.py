"""A manifest as it was understood, and the one that `init` writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from bm_sync import manifest
from bm_sync.manifest import show, starter
from bm_sync.model.config import FolderRemote, Manifest, Mode

ROOT = Path(__file__).parents[2]
MANIFESTS = [*ROOT.glob("examples/*/sync.yaml"), ROOT / "sync.yaml.example"]
CANARY = "canary-4711"


def load(file: Path, tmp_path: Path, **env: str) -> Manifest:
    return manifest.load(
        file, {"HOME": str(tmp_path), **env}, state_dir=tmp_path / "state"
    ).manifest


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda f: f.parent.name)
def test_the_text_is_yaml_and_says_what_the_data_says(file: Path, tmp_path: Path) -> None:
    loaded = load(file, tmp_path)
    data = show.data(loaded)
    assert yaml.safe_load(show.text(loaded)) == json.loads(json.dumps(data))
    assert set(data["projects"]) == {p.name for p in loaded.projects}  # type: ignore[arg-type]


def test_a_secret_is_shown_as_its_reference(tmp_path: Path) -> None:
    file = tmp_path / "sync.yaml"
    (tmp_path / "key").write_text(CANARY)
    file.write_text(
        "version: 1\nremotes: {r: {type: s3, options: {"
        "access_key_id: {env: KEY_ID}, secret_access_key: {file: key}, "
        "session_token: {command: pass show x}}}}\nprojects: {}\n"
    )
    told = show.text(load(file, tmp_path, KEY_ID=CANARY))
    assert CANARY not in told
    options = yaml.safe_load(told)["remotes"]["r"]["options"]
    assert options == {
        "access_key_id": {"env": "KEY_ID"},
        "secret_access_key": {"file": str(tmp_path / "key")},
        "session_token": {"command": "pass show x"},
    }


@pytest.mark.parametrize(
    ("kind", "option", "value"),
    [
        ("webdav", "pass", CANARY),
        ("s3", "secret_access_key", "${SECRET}"),
        ("webdav", "url", f"https://ada:{CANARY}@x.example"),
    ],
)
def test_a_secret_in_plain_text_is_not_shown_either(
    kind: str, option: str, value: str, tmp_path: Path
) -> None:
    file = tmp_path / "sync.yaml"
    file.write_text(
        "version: 1\nprojects: {}\n"
        f"remotes: {{r: {{type: {kind}, options: {{{option}: '{value}'}}}}}}\n"
    )
    loaded = load(file, tmp_path, SECRET=CANARY)
    assert CANARY not in show.text(loaded)
    assert CANARY not in json.dumps(show.data(loaded))


def test_every_limit_says_where_it_was_declared(tmp_path: Path) -> None:
    file = tmp_path / "sync.yaml"
    file.write_text(
        "version: 1\npolicies:\n  p:\n    guards:\n      max_delete: 5\n"
        "projects: {a: {local: a, remote: null, policy: p}}\n"
    )
    guards = yaml.safe_load(show.text(load(file, tmp_path)))["projects"]["a"]["policy"]["guards"]
    assert guards["max_delete"]["declared"] == f"{file}:5"
    assert guards["max_overwrite"]["declared"] == "built-in default"


def test_words_that_readers_take_for_something_else_are_quoted(tmp_path: Path) -> None:
    file = tmp_path / "sync.yaml"
    file.write_text(
        'version: 1\nprojects: {"no": {local: "./é x", remote: null, tags: ["1", y]}}\n'
    )
    shown = yaml.safe_load(show.text(load(file, tmp_path)))
    assert shown["projects"]["no"]["tags"] == ["1", "y"]
    assert shown["projects"]["no"]["local"] == str(tmp_path / "é x")


def test_the_starter_is_valid_and_has_one_project(tmp_path: Path) -> None:
    file = tmp_path / "sync.yaml"
    file.write_text(starter.text())
    loaded = manifest.load(file, {"HOME": str(tmp_path)}, state_dir=tmp_path / "state")
    assert loaded.warnings == ()
    (project,) = loaded.manifest.projects
    assert project.local == tmp_path / "notes"
    assert isinstance(project.remote, FolderRemote)
    assert project.policy.mode is Mode.TWO_WAY


def test_what_the_starter_has_in_comments_is_valid_too(tmp_path: Path) -> None:
    file = tmp_path / "sync.yaml"
    text = starter.text()
    for comment in ("# mine:", "# archive:", "#   "):
        text = text.replace(f"  {comment}", f"  {comment[2:]}")
    file.write_text(text)
    assert [r.name for r in load(file, tmp_path).remotes] == ["shelf", "mine", "archive"]

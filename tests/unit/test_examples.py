"""Everything in `examples/` and `sync.yaml.example` is a valid manifest without warnings."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bm_sync import manifest
from bm_sync.model.config import FolderRemote, Manifest, Mode, Placement
from bm_sync.paths import schema_file

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(file.parent for file in ROOT.glob("examples/*/sync.yaml"))
NAMES = [example.name for example in EXAMPLES]


def load(file: Path, home: Path) -> Manifest:
    loaded = manifest.load(file, {"HOME": str(home)}, state_dir=home / "state")
    assert loaded.warnings == ()
    return loaded.manifest


def test_there_is_an_example_for_each_use() -> None:
    assert {
        "quickstart",
        "solo-notes",
        "team-push-only",
        "mirror-backup-s3",
        "three-states",
        "many-filters",
    } <= set(NAMES)


@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_an_example_is_valid_in_a_home_of_its_own(example: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(example, tmp_path / "work")
    assert load(copy / "sync.yaml", tmp_path / "home").projects
    assert (copy / "README.md").read_text("utf-8").startswith("# ")


@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_an_example_stays_inside_its_home_and_its_copy(example: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(example, tmp_path / "work")
    loaded = load(copy / "sync.yaml", tmp_path / "home")
    folders = [p.local for p in loaded.projects if p.local is not None]
    folders += [r.root for r in loaded.remotes if isinstance(r, FolderRemote)]
    assert all(folder.is_relative_to(tmp_path) for folder in folders)


def test_the_quick_start_has_notes_and_a_folder_remote(tmp_path: Path) -> None:
    copy = shutil.copytree(ROOT / "examples/quickstart", tmp_path / "work")
    (project,) = load(copy / "sync.yaml", tmp_path / "home").projects
    assert project.local == copy / "notes"
    assert isinstance(project.remote, FolderRemote)
    assert len(list((copy / "notes").rglob("*.md"))) == 8


def test_the_examples_cover_every_mode_and_every_state(tmp_path: Path) -> None:
    projects = [p for e in EXAMPLES for p in load(e / "sync.yaml", tmp_path).projects]
    assert {p.policy.mode for p in projects} == set(Mode)
    assert {p.placement for p in projects} == set(Placement)


def test_the_complete_example_is_valid_and_warns_of_the_programs_it_runs(tmp_path: Path) -> None:
    file = ROOT / "sync.yaml.example"
    loaded = manifest.load(file, {"HOME": str(tmp_path)}, state_dir=tmp_path / "state")
    assert loaded.manifest.projects
    assert [warning.code for warning in loaded.warnings] == ["BMS033", "BMS033"], "secret, hooks"


def keys(rule: object) -> Iterator[str]:
    """Yield every key that the schema declares."""
    if isinstance(rule, dict):
        yield from rule.get("properties", {})
        for inside in rule.values():
            yield from keys(inside)
    elif isinstance(rule, list):
        for inside in rule:
            yield from keys(inside)


def test_the_complete_example_shows_every_key_of_the_schema() -> None:
    text = (ROOT / "sync.yaml.example").read_text("utf-8")
    schema = json.loads(schema_file("manifest").read_text("utf-8"))
    missing = [key for key in keys(schema) if not re.search(rf"[\s{{,]{key}:", text)]
    assert missing == []

"""Basic Memory's global ignore file in a manifest: read where it is, replaced while it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bm_sync import manifest
from bm_sync.filters.matcher import Matcher
from bm_sync.manifest import Loaded

FILE = "${BASIC_MEMORY_CONFIG_DIR:-~/.basic-memory}/.bmignore"


def load(tmp_path: Path, name: str = FILE, **env: str) -> Loaded:
    """Load a manifest whose one filter names an ignore file."""
    file = tmp_path / "sync.yaml"
    file.write_text(
        f"version: 1\nfilters: {{bm: {{ignore_files: ['{name}']}}}}\n"
        "projects: {notes: {local: ./notes, remote: null, filters: [bm]}}\n"
    )
    return manifest.load(file, {"HOME": str(tmp_path), **env}, state_dir=tmp_path / "state")


def left_out(loaded: Loaded, path: str) -> bool:
    (project,) = loaded.manifest.projects
    return Matcher(project.filters).excluded(path, is_dir=False)


@pytest.mark.parametrize("where", [".basic-memory", "elsewhere"])
def test_the_global_ignore_file_counts_wherever_basic_memory_keeps_it(
    tmp_path: Path, where: str
) -> None:
    folder = tmp_path / where
    folder.mkdir()
    (folder / ".bmignore").write_text("# mine\n/build\n!keep.tmp\n")
    env = {} if where == ".basic-memory" else {"BASIC_MEMORY_CONFIG_DIR": str(folder)}
    loaded = load(tmp_path, **env)
    assert loaded.warnings == ()
    assert left_out(loaded, "build")
    assert not left_out(loaded, "docs/build")
    assert not left_out(loaded, ".env"), "only what the file says"


def test_before_basic_memory_has_written_it_its_default_patterns_count(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    (warning,) = loaded.warnings
    assert (warning.code, warning.severity) == ("BMS028", "warning")
    for secret in (".env", "a/.env", "config.json", "memory.db", "x.db-wal", ".git/config"):
        assert left_out(loaded, secret), secret
    assert not left_out(loaded, "notes/a.md")


def test_any_other_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(manifest.ManifestError) as e:
        load(tmp_path, "./team.ignore")
    assert [d.code for d in e.value.diagnostics] == ["BMS028"]


def test_one_that_is_there_and_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".basic-memory" / ".bmignore").mkdir(parents=True)
    with pytest.raises(manifest.ManifestError) as e:
        load(tmp_path)
    assert [d.code for d in e.value.diagnostics] == ["BMS028"]


def test_a_bad_line_is_told_and_the_others_count(tmp_path: Path) -> None:
    (tmp_path / ".basic-memory").mkdir()
    (tmp_path / ".basic-memory/.bmignore").write_text("*.tmp\nfoo[\n*.bak\n")
    loaded = load(tmp_path)
    (warning,) = loaded.warnings
    assert (warning.code, warning.line, warning.severity) == ("BMS027", 2, "warning")
    assert left_out(loaded, "a.tmp")
    assert left_out(loaded, "a.bak")


# The default file as Basic Memory's sync guide shows it.
GUIDE = """\
.git/**
__pycache__/**
*.pyc
.venv/**
node_modules/**
memory.db/**
memory.db-shm/**
memory.db-wal/**
.DS_Store/**
.env/**
"""


def test_the_defaults_of_the_guide_keep_the_files_out_that_they_name(tmp_path: Path) -> None:
    folder = tmp_path / ".basic-memory"
    folder.mkdir()
    (folder / ".bmignore").write_text(GUIDE)
    loaded = load(tmp_path)
    for path in (".env", "a/.env", ".DS_Store", "memory.db", "memory.db-wal", ".env/x", "x.pyc"):
        assert left_out(loaded, path), path
    assert not left_out(loaded, "notes/env.md")


def test_what_is_taken_back_in_from_a_folder_stays_in(tmp_path: Path) -> None:
    folder = tmp_path / ".basic-memory"
    folder.mkdir()
    (folder / ".bmignore").write_text("build/**\n!build/keep.md\n")
    loaded = load(tmp_path)
    assert not left_out(loaded, "build/keep.md")
    assert left_out(loaded, "build/other.md")


def test_in_any_other_file_the_patterns_mean_what_they_mean_for_git(tmp_path: Path) -> None:
    (tmp_path / "team.ignore").write_text(".env/**\n")
    loaded = load(tmp_path, "./team.ignore")
    assert not left_out(loaded, ".env")
    assert left_out(loaded, ".env/x")

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bm_sync.cli.catalogue import SUMMARIES

_HEAVY = (
    "yaml",
    "jsonschema",
    "httpx",
    "sh",
    "rich",
    "loguru",
    "msgspec",
    "tenacity",
    "sqlite3",
    "asyncio",
    "dataclasses",
)

_PROBE = """
import sys
before = set(sys.modules)
from bm_sync.cli.main import main
code = main(sys.argv[2:])
heavy = sorted(set(sys.argv[1].split()) & (set(sys.modules) - before))
sys.stderr.write(" ".join(heavy))
raise SystemExit(code)
"""


def _loaded(*words: str, heavy: tuple[str, ...] = _HEAVY) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, " ".join(heavy), *words],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return done.stderr.rpartition("\n")[2].split()


@pytest.mark.parametrize("words", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(words: str) -> None:
    assert _loaded(words) == []


@pytest.mark.parametrize("command", sorted(SUMMARIES))
def test_the_help_of_a_command_imports_no_engine(command: str) -> None:
    assert _loaded(command, "--help", heavy=("httpx", "rich", "sqlite3", "jsonschema", "sh")) == []


@pytest.mark.parametrize("command", [("plan",), ("apply", "--yes")])
def test_a_run_without_a_cloud_and_without_hooks_imports_nothing_of_them(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/a.md").write_text("a")
    manifest = tmp_path / "sync.yaml"
    manifest.write_text(
        "version: 1\nremotes: {shelf: {type: local, root: ./shelf}}\n"
        "projects: {notes: {local: ./notes, remote: shelf}}\n"
    )
    rooms = (
        *("bm_sync.cloud", "bm_sync.engine.cloud", "bm_sync.engine.prepare"),
        *("bm_sync.engine.around", "bm_sync.notice", "bm_sync.manifest.hooks"),
        *("bm_sync.model.hooks", "bm_sync.model.notices", "bm_sync.model.conditions"),
    )
    words = (*command, "--manifest", str(manifest), "--state-dir", str(tmp_path / "state"))
    assert _loaded(*words, heavy=rooms) == ["bm_sync.engine.prepare"]


def test_the_probe_sees_what_is_imported() -> None:
    assert _loaded("schema", heavy=("msgspec",)) == ["msgspec"]

from __future__ import annotations

from pathlib import Path

import pytest

from bm_sync.cli.target import Targets, names_and_manifest, targets
from bm_sync.errors import UsageError


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "team").write_text("# ours\nversion: 1\n")
    (tmp_path / "today").write_text('{"version": 1, "kind": "plan"}')
    (tmp_path / "notes").mkdir()
    (tmp_path / "letter").write_text("Dear Sir,\n")


def test_files_are_told_from_names_by_their_end_or_their_content() -> None:
    assert targets(["x.yaml", "notes", "a-*"]) == Targets(Path("x.yaml"), None, ("notes", "a-*"))
    assert targets(["team"]) == Targets(manifest=Path("team"))
    assert targets(["today", "x.yml"]) == Targets(Path("x.yml"), Path("today"))
    assert targets(["letter"]) == Targets(names=("letter",))
    assert targets([]) == Targets()


@pytest.mark.parametrize("word", ["./missing", "gone.plan", "plans/today.json"])
def test_a_file_that_is_meant_but_missing_is_no_project_name(word: str) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        targets([word])


def test_two_manifests_are_one_too_many() -> None:
    with pytest.raises(UsageError, match=r"a.yaml and team are two"):
        targets(["a.yaml", "team"])


def test_a_saved_plan_where_it_has_no_meaning_is_refused_with_what_to_do() -> None:
    with pytest.raises(UsageError) as raised:
        names_and_manifest(["today"])
    assert raised.value.hint == "see it: bm-sync show today, do it: bm-sync apply today"

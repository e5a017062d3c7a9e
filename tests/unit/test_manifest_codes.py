"""Every code is explained, and every explanation is true of the loader."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bm_sync import manifest
from bm_sync.manifest import codes
from bm_sync.manifest.codes import Code, Explanation
from bm_sync.model.report import Diagnostic

# What cannot be shown as the text of one manifest; REFUSED has its tests in test_manifest_judge,
# LOCKED in test_manifest_locks.
WITHOUT_YAML = {Code.UNREADABLE, Code.CHARACTERS, Code.WRITABLE, Code.REFUSED, Code.LOCKED}
WITH_YAML = [e for e in codes.explanations() if e.code not in WITHOUT_YAML]
WARNINGS = {
    *(Code.READS_FILES, Code.PLAIN_SECRET, Code.RUNS_COMMAND, Code.HOME, Code.NOT_IN_LIST),
    *(Code.RENEWED, Code.EXPOSED),
}


def problems(file: Path) -> tuple[Diagnostic, ...]:
    home = file.parent / "home"
    state = file.parent / "deep/state"
    env = {"HOME": str(home), "BM_SYNC_STATE_DIR": str(state)}
    try:
        return manifest.load(file, env, state_dir=state).warnings
    except manifest.ManifestError as e:
        return e.diagnostics


def examples(explanation: Explanation) -> tuple[str, str]:
    wrong, right = re.findall(r"```yaml\n(.*?)```", explanation.text, re.DOTALL)
    return wrong, right


def test_every_code_is_explained_once_and_in_order() -> None:
    assert [e.code for e in codes.explanations()] == list(Code)


def test_every_explanation_has_a_title_and_an_example_of_wrong_and_right() -> None:
    for explanation in codes.explanations():
        assert explanation.title
        assert "\nWrong:\n" in explanation.text
        assert "\nRight:\n" in explanation.text
        assert codes.explain(explanation.code) == explanation


@pytest.mark.parametrize("explanation", WITH_YAML, ids=lambda e: e.code)
def test_the_wrong_example_has_this_problem_and_no_other(
    explanation: Explanation, tmp_path: Path
) -> None:
    file = tmp_path / "sync.yaml"
    file.write_text(examples(explanation)[0])
    found = problems(file)
    assert [d.code for d in found] == [explanation.code]
    assert found[0].severity == ("warning" if explanation.code in WARNINGS else "error")


@pytest.mark.parametrize("explanation", WITH_YAML, ids=lambda e: e.code)
def test_the_right_example_has_no_problem(explanation: Explanation, tmp_path: Path) -> None:
    file = tmp_path / "sync.yaml"
    file.write_text(examples(explanation)[1])
    assert problems(file) == ()


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    assert [d.code for d in problems(tmp_path / "sync.yaml")] == [Code.UNREADABLE]


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    file = tmp_path / "sync.yaml"
    file.write_bytes(b"version: 1\nprojects: {caf\xe9: {}}\n")
    (found,) = problems(file)
    assert (found.code, found.line, found.column) == (Code.CHARACTERS, 2, 15)


def test_a_manifest_that_everybody_may_change_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "sync.yaml"
    file.write_text("version: 1\nprojects: {}\n")
    file.chmod(0o666)
    assert [(d.code, d.severity) for d in problems(file)] == [(Code.WRITABLE, "error")]


@pytest.mark.parametrize("word", ["BMS004", "bms004", "bms4", "4", " BMS004 "])
def test_a_code_is_found_however_it_is_written(word: str) -> None:
    assert codes.find(word) is Code.UNKNOWN_KEY


@pytest.mark.parametrize("word", ["BMS999", "", "BMS", "x4", "BMS0040"])
def test_what_is_no_code_is_not_found(word: str) -> None:
    assert codes.find(word) is None

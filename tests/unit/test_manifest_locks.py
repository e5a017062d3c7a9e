"""What a base file locks, files above it may tighten and never loosen."""

from __future__ import annotations

from pathlib import Path

import pytest
from layered import Files

from bm_sync.model.setup import Machine

BASE = """\
locked: [guards, conflict, keep_versions]
vars: {most: 25%}
remotes: {shelf: {type: local, root: cloud}}
policies:
  careful:
    guards: {max_delete: "${most}", max_overwrite: 20, max_bytes: 10G}
    conflict: {winner: newer}
    keep_versions: {for: 30d}
  bold: {guards: {max_delete: 80%}, conflict: {winner: newer, loser: trash}}
defaults: {remote: shelf, policy: careful}
projects:
  docs: {local: docs}
  drafts: {local: drafts, policy: bold}
"""


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path).write(base=BASE, sync="version: 1\ninclude: [base.yaml]\n")


def overlay(files: Files, text: str) -> list[str]:
    files.write(**{"sync.local": text})
    return files.told()


def policy(keys: str) -> str:
    return f"policies: {{careful: {{{keys}}}}}\n"


def test_a_base_alone_is_no_slip(files: Files) -> None:
    assert files.told() == []
    assert files.project("docs").policy.guards.max_delete.percent == 25


@pytest.mark.parametrize(
    "keys",
    [
        "guards: {max_delete: 25%}",
        "guards: {max_delete: 10%}",
        "guards: {max_delete: {percent: 25, count: 3}}",
        "guards: {max_delete: 0}",
        "guards: {max_overwrite: 20}",
        "guards: {max_overwrite: {percent: 1, count: 20}}",
        "guards: {max_bytes: 5G}",
        "guards: {empty_side: stop}",
        "conflict: {winner: newer}",
        "conflict: {winner: both}",
        "conflict: {winner: stop, loser: copy}",
        "keep_versions: {for: null}",
        "keep_versions: {for: 60d, at_most: null}",
        "mode: push, limits: {transfers: 9}",
    ],
)
def test_tightening_and_what_is_not_locked_are_free(keys: str, files: Files) -> None:
    assert overlay(files, policy(keys)) == []


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ("guards: {max_delete: 26%}", "guards.max_delete is looser here than base.yaml:6"),
        ("guards: {max_delete: 1}", "guards.max_delete is looser here than base.yaml:6"),
        ("guards: {max_delete: {percent: 25, at_least: 1}}", "guards.max_delete"),
        ("guards: {max_delete: {}}", "guards.max_delete"),
        ("guards: {max_overwrite: 21}", "guards.max_overwrite"),
        ("guards: {max_overwrite: 1%}", "guards.max_overwrite"),
        ("guards: {max_bytes: null}", "guards.max_bytes"),
        ("guards: {max_bytes: 11G}", "guards.max_bytes"),
        ("guards: {empty_side: allow}", "empty_side is looser here than the built-in default"),
        ("conflict: {winner: older}", "conflict.winner is looser here than base.yaml:7"),
        ("conflict: {loser: trash}", "conflict.loser is looser here than the built-in default"),
        ("keep_versions: {for: 1d}", "keep_versions.for is looser here than base.yaml:8"),
        ("keep_versions: {at_most: 1G}", "keep_versions.at_most"),
    ],
)
def test_loosening_is_told_at_the_line_of_the_overlay(keys: str, named: str, files: Files) -> None:
    assert overlay(files, policy(keys)) == ["sync.local.yaml:1 BMS044"]
    (slip,) = files.slips()
    assert named in slip.what.replace(f"{files.root}/", "")
    assert str(slip.hint).startswith(f"{files.root}/base.yaml:1 locks ")


def test_the_locking_file_may_say_what_it_likes(files: Files) -> None:
    files.write(base=BASE.replace("max_overwrite: 20", "max_overwrite: 90%"))
    assert files.told() == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("policies: {lax: {guards: {max_delete: 90%}}}\nprojects: {docs: {policy: lax}}\n", 1),
        ("policies: {lax: {keep_versions: {for: 60d}}}\nprojects: {docs: {policy: lax}}\n", 2),
        ("projects:\n  docs: {policy: bold}\n", 2),
        ("projects:\n  docs:\n    policy: {guards: {max_delete: 90%}}\n", 3),
        ("projects:\n  docs:\n    policy: {extends: bold}\n", 3),
        ("policies:\n  careful:\n    extends: bold\n    guards: {max_delete: 99%}\n", 4),
        ("\n\ndefaults: {policy: bold}\n", 3),
        ("projects:\n  mine: {local: m, policy: {guards: {max_delete: 90%}}}\n", 2),
        ("projects:\n  mine: {local: m, policy: {conflict: {winner: local}}}\n", 2),
    ],
)
def test_a_project_gets_nothing_looser_by_another_way(text: str, line: int, files: Files) -> None:
    said = overlay(files, text)
    assert said != []
    assert {s.split(" ")[1] for s in said} == {"BMS044"}
    assert f"sync.local.yaml:{line} BMS044" in said


@pytest.mark.parametrize(
    "text",
    [
        "projects: {drafts: {policy: careful}}\n",
        "projects: {mine: {local: m}}\n",
        "projects: {mine: {local: m, policy: bold}}\n",
        "projects: {mine: {local: m, policy: {extends: bold, mode: push}}}\n",
        "policies: {own: {extends: bold, mode: push}}\nprojects: {mine: {local: m, policy: own}}\n",
    ],
)
def test_what_the_base_offers_may_be_used(text: str, files: Files) -> None:
    assert overlay(files, text) == []


def test_a_variable_does_not_loosen_either(files: Files) -> None:
    assert overlay(files, "\nvars: {most: 90%}\n") == ["sync.local.yaml:2 BMS044"]
    files.write(**{"sync.local": ""})
    assert files.told(Machine(sets=(("most", "90%"),))) == ["base.yaml:6 BMS044"]
    (slip,) = files.slips(BM_SYNC_VAR_most="90%")
    assert "through BM_SYNC_VAR_most" in slip.what
    assert files.told(BM_SYNC_VAR_most="5%") == []


def test_a_variable_of_a_file_that_is_included_later_does_not_loosen_either(files: Files) -> None:
    files.write(later="vars: {most: 90%}\n")
    own = "version: 1\nvars: {most: 80%}\ninclude: [base.yaml]\n"
    assert files.write(sync=own).told() == []
    assert files.project("docs").policy.guards.max_delete.percent == 25
    files.write(sync=own.replace("[base.yaml]", "[base.yaml, later.yaml]"))
    assert files.told() == ["later.yaml:1 BMS044"]


def test_a_lock_cannot_be_taken_away(files: Files) -> None:
    text = "locked: []\n" + policy("guards: {max_delete: 90%}")
    assert overlay(files, text) == ["sync.local.yaml:2 BMS044"]


def test_only_the_groups_that_are_locked_are_held(files: Files) -> None:
    files.write(base=BASE.replace("[guards, conflict, keep_versions]", "[conflict]"))
    assert overlay(files, policy("guards: {max_delete: 90%}")) == []
    assert overlay(files, policy("conflict: {winner: local}")) == ["sync.local.yaml:1 BMS044"]


def test_each_file_locks_what_stands_below_it(files: Files) -> None:
    files.write(
        base=BASE.replace("locked: [guards, conflict, keep_versions]\n", ""),
        sync="version: 1\ninclude: [base.yaml]\nlocked: [guards]\n"
        + policy("guards: {max_delete: 50%}"),
    )
    assert files.told() == []
    assert overlay(files, policy("guards: {max_delete: 50%}")) == []
    assert overlay(files, policy("guards: {max_delete: 51%}")) == ["sync.local.yaml:1 BMS044"]


def test_a_base_that_is_not_whole_locks_all_the_same(files: Files) -> None:
    base = (
        "locked: [guards]\npolicies: {p: {extends: q, guards: {max_bytes: 1G, max_delete: no}}}\n"
    )
    own = (
        "version: 1\ninclude: [base.yaml]\nprojects: {}\npolicies:\n  q: {}\n  p: {guards: {%s}}\n"
    )
    files.write(base=base, sync=own % "max_delete: 1, max_bytes: 2G")
    assert "sync.yaml:6 BMS044" in files.told()
    files.write(sync=own % "max_delete: 1, max_bytes: 1G")
    assert files.told() == []


def test_an_unknown_group_is_told(files: Files) -> None:
    files.write(base=BASE.replace("[guards, conflict, keep_versions]", "[guard]"))
    assert files.told() == ["base.yaml:1 BMS007"]

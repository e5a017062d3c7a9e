"""A side that is missing or empty is one result, in every mode, on both sides, at any time."""

from __future__ import annotations

import json
import shutil
from itertools import product
from pathlib import Path

import pytest
from cli_outside import Said, World

SOURCES = {"two-way": ("notes", "shelf"), "push": ("notes",), "pull": ("shelf",)}
CASES = [
    (mode, side, how, when)
    for mode, how, when in product(
        ("two-way", "push", "pull", "up", "down"), ("missing", "emptied"), ("first", "later")
    )
    for side in ({"up": ("notes",), "down": ("shelf",)} | SOURCES)[mode]
    if (mode, when) != ("two-way", "first")
]


def manifest(mode: str, local: str = "./notes") -> str:
    way = {"up": "mode: mirror, direction: up", "down": "mode: mirror, direction: down"}
    said = way.get(mode, f"mode: {mode}")
    return (
        "version: 1\nremotes: {shelf: {type: local, root: ./cloud}}\n"
        f"projects: {{notes: {{local: '{local}', remote: shelf, policy: {{{said}}}}}}}\n"
    )


def never_in_sync(said: Said) -> None:
    assert said.code == 3, said
    assert "SIDE MISSING" in said.out
    assert "in sync" not in said.out
    assert (
        "synced with" in said.out
        or "holds" in said.out
        or "would go" in said.out
        or ("is missing" in said.out)
    )


@pytest.mark.parametrize(("mode", "side", "how", "when"), CASES, ids=lambda word: word)
def test_it_stops_with_a_status_of_its_own(
    tmp_path: Path, mode: str, side: str, how: str, when: str
) -> None:
    here = World(tmp_path)
    here.write("sync.yaml", manifest(mode))
    source = tmp_path / ("notes" if side == "notes" else "cloud/notes")
    for name in ("a.md", "b.md", "c.md"):
        if when == "later" or side == "shelf":
            here.write(f"notes/{name}", name)
        if when == "later" or side == "notes":
            here.write(f"cloud/notes/{name}", name)
    if when == "later":
        assert here.run("apply", "--yes").code == 0
    shutil.rmtree(source, ignore_errors=True)
    if how == "emptied":
        source.mkdir(parents=True)
    other = tmp_path / ("cloud/notes" if side == "notes" else "notes")
    before = sorted(path.name for path in other.rglob("*.md"))
    never_in_sync(here.run("plan"))
    never_in_sync(here.run("apply", "--yes"))
    again = here.run("apply", "--yes", "--json")
    (project,) = again.json["data"]["projects"]
    assert (project["status"], project["exit"], again.code) == ("side-missing", 3, 3)
    assert sorted(path.name for path in other.rglob("*.md")) == before
    (row,) = here.run("status", "--json").json["data"]
    assert row["result"] == "side-missing"
    assert "missing" in row["message"] or "empty" in row["message"]
    quiet = here.run("apply", "--yes", "-q")
    assert quiet.code == 3
    assert "stopped by empty_side" in quiet.out


@pytest.mark.parametrize("mode", ["push", "pull"])
def test_an_empty_source_is_accepted_once_and_for_good(tmp_path: Path, mode: str) -> None:
    here = World(tmp_path)
    here.write("sync.yaml", manifest(mode))
    for name in ("a.md", "b.md"):
        here.write(f"notes/{name}", name)
        here.write(f"cloud/notes/{name}", name)
    assert here.run("apply", "--yes").code == 0
    source = tmp_path / ("notes" if mode == "push" else "cloud/notes")
    for file in source.glob("*.md"):
        file.unlink()
    assert here.run("apply", "--yes").code == 3
    assert here.run("apply", "--yes", "--accept", "empty_side").code == 0
    assert here.run("apply", "--yes").code == 0
    other = tmp_path / ("cloud/notes" if mode == "push" else "notes")
    assert sorted(path.name for path in other.glob("*.md")) == ["a.md", "b.md"]


def test_metrics_and_notices_tell_it(tmp_path: Path) -> None:
    here = World(tmp_path)
    here.write("sync.yaml", manifest("push") + "metrics: ./out.prom\n")
    here.write("notes/a.md", "a")
    here.write("notes/b.md", "b")
    assert here.run("apply", "--yes").code == 0
    shutil.rmtree(tmp_path / "notes")
    assert here.run("apply", "--yes").code == 3
    text = (tmp_path / "out.prom").read_text()
    assert 'bm_sync_project_side_missing{project="notes"} 1' in text
    assert 'bm_sync_project_last_run_exit{project="notes"} 3' in text
    report = here.run("report", "--json").json["data"]
    assert report["endings"]["side_missing"] == 1


def test_a_misspelt_new_folder_is_told_with_the_name_beside_it(tmp_path: Path) -> None:
    here = World(tmp_path)
    here.write("sync.yaml", manifest("two-way", "~/Valut"))
    here.write("Vault/a.md", "a")
    for said in (here.run("plan"), here.run("apply", "--yes")):
        assert said.code == 3
        assert f"did you mean {tmp_path}/Vault?" in said.out
        assert "in sync" not in said.out
    assert not (tmp_path / "Valut").exists()


def test_a_new_folder_and_an_empty_remote_are_in_sync(tmp_path: Path) -> None:
    here = World(tmp_path)
    here.write("sync.yaml", manifest("two-way"))
    (tmp_path / "notes").mkdir()
    assert here.run("apply", "--yes").code == 0


@pytest.mark.parametrize(
    ("local", "path", "line"),
    [("$HOME/Vault", "x", "$HOME"), ("./notes", "$TEAM/x", "$TEAM"), ("~/a/$B/c", "x", "$B")],
)
def test_a_shell_variable_in_a_path_is_an_error_of_the_manifest(
    tmp_path: Path, local: str, path: str, line: str
) -> None:
    here = World(tmp_path)
    here.write(
        "sync.yaml",
        "version: 1\nremotes: {shelf: {type: local, root: ./cloud}}\n"
        f"projects: {{notes: {{local: '{local}', remote: shelf, path: '{path}'}}}}\n",
    )
    said = here.run("validate")
    assert said.code == 2
    assert f"'{line}'" in said.err + said.out
    assert "is not a variable here" in said.err + said.out
    here.write("sync.yaml", (tmp_path / "sync.yaml").read_text().replace("$", "$$"))
    assert here.run("validate").code == 0


def test_many_failures_of_one_cause_are_told_once(tmp_path: Path) -> None:
    here = World(tmp_path)
    names = [f"p{number:02}" for number in range(12)]
    projects = "".join(f"  {n}: {{local: ./{n}, remote: far}}\n" for n in names)
    here.write(
        "sync.yaml",
        "version: 1\nremotes: {far: {type: webdav, options: {url: 'http://127.0.0.1:9/x'}},"
        " shelf: {type: local, root: ./cloud}}\n"
        "policies: {p: {retry: {attempts: 1}}}\ndefaults: {policy: p}\n"
        f"projects:\n{projects}  good: {{local: ./good, remote: shelf}}\n",
    )
    for name in (*names, "good"):
        here.write(f"{name}/a.md", name)
    quiet = here.run("apply", "--yes", "-q")
    assert quiet.code == 1
    assert quiet.out.startswith("12 projects: ")
    assert "good" not in quiet.out
    assert len(quiet.out.splitlines()) < 8, quiet.out
    table = here.run("status").out.splitlines()
    assert [line.split()[0] for line in table[1:14]] == [*names, "good"]
    assert "13 projects: 12 failed, 1 in sync" in table
    failed = here.run("status", "--failed", "--json").json["data"]
    assert [row["project"] for row in failed] == names
    assert all(row["message"] for row in failed)
    assert json.loads(here.run("plan", "--json").out)["status"] != "ok"

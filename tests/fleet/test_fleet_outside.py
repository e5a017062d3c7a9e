"""`fleet` from outside: machines that share a manifest and a remote tell each other how they stand.

Each machine is a state directory and a name (BM_SYNC_HOST).
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import counting_proxy
import fault_proxy
import pytest
import servers
from cli_outside import Said, World, world
from jsonschema import Draft7Validator

from bm_sync.paths import schema_file

FOLDER = "remotes: {shelf: {type: local, root: ./cloud}}"
MANIFEST = """\
version: 1
%s
defaults: {remote: shelf, policy: careful}
policies: {careful: {guards: {max_delete: 0}}}
fleet: %s
projects:
  notes: {local: "./${NOTES:-notes}", schedule: {every: 15m}}
  work log: {local: ./work, path: work}
"""


@pytest.fixture
def here(tmp_path: Path) -> World:
    made = world(tmp_path)
    made.write("sync.yaml", MANIFEST % (FOLDER, "shelf"))
    return made


def on(here: World, host: str, *words: str, **env: str) -> Said:
    """Run a command line on one of the machines."""
    return here.run(*words, "--state-dir", f"state-{host}", BM_SYNC_HOST=host, **env)


def notes(here: World) -> list[Path]:
    return sorted((here.root / "cloud/.bm-sync/fleet").iterdir())


def s3(here: World, port: int) -> str:
    """Return remotes of a store, whose secret comes from the environment."""
    bucket = f"{servers.BUCKET}/{here.root.name}"
    options = {"provider": "Rclone", "endpoint": f"http://127.0.0.1:{port}"}
    said = json.dumps({**options, "access_key_id": servers.KEY_ID})[:-1]
    said += ', "secret_access_key": {"env": "STORE_SECRET"}}'
    return f"remotes: {{shelf: {{type: s3, root: {bucket}, options: {said}}}}}"


def test_every_machine_leaves_how_it_stands_and_each_sees_them_all(here: World) -> None:
    assert on(here, "desk", "apply").code == 0
    assert on(here, "Laptop", "apply", NOTES="far").code == 0
    schema = json.loads(schema_file("fleet").read_text("utf-8"))
    for file in notes(here):
        said = json.loads(file.read_text())
        assert [e.message for e in Draft7Validator(schema).iter_errors(said)] == []
        assert "b c.md" not in file.read_text()
        assert str(here.root) not in file.read_text()
    seen = on(here, "desk", "fleet", "status", "--json")
    assert seen.code == 0, seen
    hosts = seen.json["data"]["hosts"]
    assert [host["note"]["host"] for host in hosts] == ["desk", "Laptop"]
    assert {host["standing"] for host in hosts} == {"fine"}
    assert {host["same_manifest"] for host in hosts} == {True}
    assert {host["note"]["next"] is None for host in hosts} == {False}
    table = on(here, "desk", "fleet", "status", "--max-age", "1h").out.splitlines()
    assert table[0].split() == [
        *("HOST", "STATE", "LAST", "RUN", "NEXT", "PROJECTS", "CONFLICTS", "BM-SYNC", "MANIFEST")
    ]
    assert [line.split()[:2] for line in table[1:]] == [["desk", "fine"], ["Laptop", "fine"]]
    assert on(here, "desk", "fleet", "status", "--max-age", "1h", "-q").out == ""


def test_a_quiet_run_is_a_sign_of_life_and_no_side_sees_the_notes(here: World) -> None:
    assert on(here, "desk", "apply").code == 0
    (file,) = notes(here)
    first = json.loads(file.read_text())
    again = on(here, "desk", "apply", "--json")
    assert [p["status"] for p in again.json["data"]["projects"]] == ["in-sync"] * 2
    assert json.loads(file.read_text())["run"] != first["run"]
    assert notes(here) == [file]


def test_a_machine_that_is_stopped_is_told_with_its_projects(here: World) -> None:
    assert on(here, "desk", "apply").code == 0
    (here.root / "notes/a.md").unlink()
    assert on(here, "desk", "apply").code == 3
    seen = on(here, "laptop", "fleet", "status")
    assert seen.code == 1
    assert "its last run ended with exit code 3" in seen.out
    assert "notes STOPPED, in sync" in seen.out
    assert on(here, "laptop", "fleet", "status", "--max-age", "2h", "-q").code == 1


def test_another_manifest_differs_and_the_file_of_a_machine_alone_does_not(here: World) -> None:
    assert on(here, "desk", "apply").code == 0
    here.write("sync.local.yaml", "version: 1\nvars: {mine: x}\n")
    assert on(here, "laptop", "apply").code == 0
    (here.root / "sync.local.yaml").unlink()
    here.write("sync.yaml", (here.root / "sync.yaml").read_text() + "# a word more\n")
    assert on(here, "tower", "apply").code == 0
    hosts = on(here, "tower", "fleet", "status", "--json").json["data"]["hosts"]
    same = {host["note"]["host"]: host["same_manifest"] for host in hosts}
    assert same == {"desk": False, "laptop": False, "tower": True}
    digests = {host["note"]["host"]: host["note"]["manifest"] for host in hosts}
    assert digests["desk"] == digests["laptop"]


def test_what_others_left_that_is_no_note_is_shown_and_harms_nothing(here: World) -> None:
    assert on(here, "desk", "apply").code == 0
    (file,) = notes(here)
    hostile = {**json.loads(file.read_text()), "host": "\x1b[31mred\u202e"}
    (file.parent / "red-00000001.json").write_text(json.dumps(hostile))
    (file.parent / "junk-00000002.json").write_bytes(b"\x00" * 10)
    (file.parent / "large-00000003.json").write_bytes(b" " * 300_000)
    (file.parent / "link-00000004.json").symlink_to("/etc/passwd")
    (file.parent / "other\nname.json").write_text("{}")
    (file.parent / "folder-00000005.json").mkdir()
    seen = on(here, "desk", "fleet", "status")
    assert seen.code == 1
    assert "\x1b" not in seen.out
    assert "\\x1b[31mred\\u202e" in seen.out
    assert "root:" not in seen.out
    found = [line.split()[:2] for line in seen.out.splitlines() if "unreadable" in line]
    assert found == [["junk-00000002.json", "unreadable"], ["large-00000003.json", "unreadable"]]


def test_a_machine_that_is_no_more_is_forgotten_when_that_is_confirmed(here: World) -> None:
    assert on(here, "desk", "apply").code == 0
    assert on(here, "laptop", "apply").code == 0
    asked = on(here, "desk", "fleet", "forget", "laptop")
    assert asked.code == 2
    assert len(notes(here)) == 2
    (command,) = [line for line in asked.err.splitlines() if "in a script:" in line]
    assert here.paste(command.partition("in a script: ")[2]).code == 0
    assert [file.name.partition("-")[0] for file in notes(here)] == ["desk"]
    assert on(here, "desk", "fleet", "forget", "laptop", "--yes").code == 2
    here.run("apply", "--state-dir", "state-other", BM_SYNC_HOST="desk")
    twice = on(here, "desk", "fleet", "forget", "desk", "--yes")
    assert twice.code == 2
    assert "2 hosts are called 'desk'" in twice.err
    shown = on(here, "desk", "fleet", "status").out
    assert all(f"desk ({file.name[-13:-5]})" in shown for file in notes(here))
    assert on(here, "desk", "fleet", "forget", notes(here)[0].name, "--yes").code == 0
    assert len(notes(here)) == 1


def test_a_place_that_cannot_be_written_is_told_and_fails_no_run(here: World) -> None:
    here.write("cloud/.bm-sync/fleet", "no folder\n")
    done = on(here, "desk", "apply")
    assert done.code == 0
    assert "the fleet at shelf:.bm-sync/fleet was not told" in done.err + done.out
    assert on(here, "desk", "fleet", "status").code == 1


def test_a_fleet_on_a_store_costs_a_run_one_write_and_a_look_one_list(
    here: World, serve_s3: servers.Server
) -> None:
    with counting_proxy.counting(serve_s3.port) as proxy:
        here.write("sync.yaml", MANIFEST % (s3(here, proxy.port), "shelf:machines"))
        secret = {"STORE_SECRET": servers.SECRET_KEY}
        assert on(here, "desk", "apply", **secret).code == 0
        assert on(here, "laptop", "apply", NOTES="far", **secret).code == 0
        proxy.take()
        assert on(here, "desk", "apply", **secret).code == 0
        with_fleet = Counter(proxy.take())
        here.write("other.yaml", (here.root / "sync.yaml").read_text().replace("fleet:", "#"))
        assert on(here, "desk", "apply", "-f", "other.yaml", **secret).code == 0
        assert with_fleet - Counter(proxy.take()) == Counter(PUT=1)
        seen = on(here, "desk", "fleet", "status", "--json", **secret)
        looked = proxy.take()
    assert [host["note"]["host"] for host in seen.json["data"]["hosts"]] == ["desk", "laptop"]
    assert looked.pop("LIST") == 1
    assert sum(looked.values()) <= 4  # a HEAD and a GET for each of two
    assert servers.SECRET_KEY not in seen.out


def test_a_store_that_is_away_fails_no_run_that_needs_only_a_folder(here: World) -> None:
    here.write(
        "sync.yaml",
        MANIFEST % (s3(here, servers.free_port()).replace("shelf", "store"), "store"),
    )
    text = (here.root / "sync.yaml").read_text()
    here.write("sync.yaml", text.replace("{store:", "{shelf: {type: local, root: ./cloud}, store:"))
    done = on(here, "desk", "apply", STORE_SECRET="x")
    assert done.code == 0
    assert "the fleet at store:.bm-sync/fleet" in done.err + done.out
    assert len((done.err + done.out).split("the fleet at")) == 2


@pytest.mark.parametrize(
    ("fleet", "sentence"),
    [
        ("cloud", "there is no remote 'cloud'"),
        ("shelf:notes", "touches the files of the project 'notes'"),
        ("shelf:notes/machines", "touches the files of the project 'notes'"),
        ("shelf:work/..", "cannot be a path"),
        ("shelf:.bm-sync/trash", "cannot be a path"),
        ("near:notes/machines", "touches the files of the project 'notes'"),
        ("near:", "touches"),
    ],
)
def test_a_place_that_would_mix_with_projects_is_refused_where_it_is_said(
    here: World, fleet: str, sentence: str
) -> None:
    remotes = "remotes: {shelf: {type: local, root: ./cloud}, near: {type: local, root: .}}"
    here.write("sync.yaml", MANIFEST % (remotes, json.dumps(fleet)))
    said = here.run("validate")
    if fleet == "near:":  # .bm-sync is no project's
        assert said.code == 0
        return
    assert said.code == 2
    assert "sync.yaml:5:8" in said.err + said.out
    assert sentence in said.err + said.out


def test_a_manifest_without_a_fleet_says_how_to_have_one(here: World) -> None:
    here.write("sync.yaml", (here.root / "sync.yaml").read_text().replace("fleet: shelf\n", ""))
    assert on(here, "desk", "apply").code == 0
    assert not (here.root / "cloud/.bm-sync").exists()
    refused = on(here, "desk", "fleet", "status")
    assert refused.code == 2
    assert "fleet: REMOTE" in refused.err


def test_the_timers_of_systemd_may_write_to_a_fleet_in_a_folder(here: World) -> None:
    remotes = "remotes: {shelf: {type: local, root: ./cloud}, far: {type: local, root: ./far}}"
    here.write("sync.yaml", MANIFEST % (remotes, "far"))
    units = here.run("schedule", "show", "--target", "systemd").out
    assert f"{here.root}/far" in units
    if shutil.which("systemctl"):
        made = here.run("schedule", "install", "--target", "systemd", SYSTEMD_OFFLINE="1")
        assert made.code == 0
        assert f"{here.root}/far" in made.out  # to be made before


def test_a_machine_that_may_only_read_the_place_is_told_so_once_and_is_well(
    here: World, serve_s3: servers.Server
) -> None:
    with fault_proxy.faulty(serve_s3.port) as proxy:
        proxy.strike(fault_proxy.Answer(403, code="AccessDenied"), "PUT", inside="machines")
        here.write("sync.yaml", MANIFEST % (s3(here, proxy.port), "shelf:machines"))
        secret = {"STORE_SECRET": servers.SECRET_KEY}
        first, second = (on(here, "desk", "apply", **secret) for _ in range(2))
        examined = on(here, "desk", "doctor", **secret)
    assert proxy.struck["PUT"] > 0
    assert (first.code, second.code) == (0, 0)
    said = "this machine may only read the fleet at shelf:machines, so others do not see it"
    assert said in first.err
    assert "fleet" not in second.err + second.out
    assert (examined.code, "FAULT" in examined.out) == (0, False), examined

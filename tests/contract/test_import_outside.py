"""`bm-sync import` from outside: what it writes, and what it never overwrites or changes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import standin_server
from cli_outside import World

from bm_sync.rclone.binary import find

CONF = """\
# kept as it is
[gdrive]
type = drive
token = {"access_token":"canary-token"}

[Büro Ablage]
type = sftp
host = 127.0.0.1
pass = canary-obscured

[secret]
type = crypt
remote = gdrive:sealed
password = canary-obscured

[store]
type = s3
secret_access_key = canary-key

[basic-memory-cloud]
type = s3
secret_access_key = canary-key
endpoint = https://fly.storage.tigris.dev
"""


@pytest.fixture
def here(tmp_path: Path) -> World:
    """Make a home with Basic Memory's files and nothing else."""
    made = World(tmp_path)
    config = {"projects": {"main": {"path": str(tmp_path / "main")}}}
    made.write(".basic-memory/config.json", json.dumps(config))
    made.write(".basic-memory/.bmignore", ".env\n")
    made.write("main/a.md")
    return made


def with_cloud(here: World) -> None:
    projects = {
        "main": {"path": str(here.root / "main")},
        "research": {"path": str(here.root / "research"), "mode": "cloud"},
    }
    here.write(".basic-memory/config.json", json.dumps({"projects": projects}))


def stamp(file: Path) -> tuple[int, int, bytes]:
    return file.stat().st_mtime_ns, file.stat().st_ino, file.read_bytes()


def stamps(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {p.name: stamp(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_manifest_is_written_and_loads_and_its_first_plan_is_told(here: World) -> None:
    said = here.run("import", "basic-memory")
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        "wrote sync.yaml: 1 project (1 local-only)\n\nthe first run has nothing to do\n"
    )
    assert here.run("validate").code == 0
    assert here.run("plan", "--exit-code").code == 0


def test_nothing_is_overwritten_and_a_dash_only_shows(here: World) -> None:
    shown = here.run("import", "basic-memory", "-o", "-")
    assert shown.code == 0
    assert not (here.root / "sync.yaml").exists()
    assert here.run("import", "basic-memory", "-o", "mine.yaml").code == 0
    assert (here.root / "mine.yaml").read_text() == shown.out
    (here.root / "mine.yaml").write_text("precious")
    said = here.run("import", "basic-memory", "-o", "mine.yaml")
    assert (said.code, (here.root / "mine.yaml").read_text()) == (2, "precious")
    assert "is there already and is not overwritten" in said.err


def test_who_is_not_signed_in_is_told_the_next_two_commands(here: World) -> None:
    with_cloud(here)
    said = here.run("import", "basic-memory", BASIC_MEMORY_CLOUD_HOST="http://127.0.0.1:9")
    assert (said.code, said.err) == (0, "")
    assert "not signed in, so the first run cannot be shown yet" in said.out
    assert "sign in:  bm-sync login\nthen:     bm-sync plan\n" in said.out
    assert (here.root / "sync.yaml").is_file()
    assert not (here.root / "research").exists()


def test_the_source_keeps_every_byte_and_time(here: World) -> None:
    before = stamps(here.root / ".basic-memory")
    assert here.run("import", "basic-memory").code == 0
    assert stamps(here.root / ".basic-memory") == before


def test_the_data_directory_is_named_by_option_or_environment(here: World) -> None:
    (here.root / ".basic-memory").rename(here.root / "elsewhere")
    assert here.run("import", "basic-memory").code == 2
    by_option = here.run("import", "basic-memory", "--config-dir", "elsewhere", "-o", "-")
    by_env = here.run("import", "basic-memory", "-o", "-", BASIC_MEMORY_CONFIG_DIR="elsewhere")
    assert by_option.code == by_env.code == 0
    assert "main: {local: ~/main, remote: null}" in by_option.out


def test_the_answer_in_json_has_the_text_and_the_plan(here: World) -> None:
    said = here.run("import", "basic-memory", "--json").json
    assert said["command"] == "import"
    assert said["data"]["text"] == (here.root / "sync.yaml").read_text()
    assert said["data"]["plan"]["projects"][0]["project"] == "main"
    assert said["data"]["left_out"] == []


def test_a_project_that_is_equal_on_both_sides_has_an_empty_first_plan(tmp_path: Path) -> None:
    with standin_server.running(tmp_path / "cloud") as cloud:
        here = World(tmp_path / "home")
        env = cloud.env(here.root, key=True)
        data = {"projects": {"Research": {"path": str(here.root / "research"), "mode": "cloud"}}}
        here.write("data/config.json", json.dumps(data))
        here.write("research/a.md", "the same\n")
        cloud.admin("add-project", workspace="ada", name="Research")
        cloud.put("research/a.md", "the same\n")
        words = ("import", "basic-memory", "--config-dir", "data", "-o", "-")
        text = here.run(*words, **env).out
        there = f"type: basic-memory-cloud, storage: '{cloud.storage}'"
        here.write("sync.yaml", text.replace("type: basic-memory-cloud", there))
        planned = here.run("plan", **env)
    assert planned.code == 0
    assert "nothing to do" in planned.out


def rclone_conf(here: World, text: str = CONF) -> Path:
    here.write("my.conf", text)
    return here.root / "my.conf"


def test_remotes_of_an_rclone_conf_are_proposed_without_a_secret(here: World) -> None:
    conf = rclone_conf(here)
    before = stamp(conf)
    said = here.run("import", "rclone", "--config", "my.conf")
    assert (said.code, said.err) == (0, "")
    assert "canary" not in said.out
    assert "  gdrive: {rclone: gdrive}\n" in said.out
    assert '  Buro-Ablage: {rclone: "Büro Ablage"}\n' in said.out
    assert "# crypt, on top of gdrive. Add root: FOLDER" in said.out
    assert "# s3. Add root: BUCKET or BUCKET/FOLDER; the projects lie below it." in said.out
    assert "  basic-memory-cloud: {type: basic-memory-cloud}\n" in said.out
    assert f"RCLONE_CONFIG='{conf}'" in said.out
    assert stamp(conf) == before


def test_the_proposal_is_a_manifest_that_works_with_a_project_in_it(here: World) -> None:
    rclone_conf(here, f"[disk]\ntype = alias\nremote = {here.root / 'disk'}\n")
    env = {"RCLONE_CONFIG": str(here.root / "my.conf")}
    said = here.run("import", "rclone", "-o", "sync.yaml", **env)
    assert (said.code, said.out) == (0, "wrote sync.yaml: 1 remote, no project yet\n")
    text = (here.root / "sync.yaml").read_text()
    assert "RCLONE_CONFIG" not in text
    wanted = "projects:\n  main: {local: ./main, remote: disk}\n"
    here.write("sync.yaml", text.replace("projects: {}\n", wanted))
    (here.root / "disk").mkdir()
    assert here.run("apply", **env).code == 0
    assert here.files("disk") == {"main/a.md": "text\n"}


def test_an_encrypted_conf_is_read_by_the_users_own_password_command(here: World) -> None:
    conf = rclone_conf(here)
    rclone = str(find(None, os.environ).path)
    words = [rclone, "config", "encryption", "set", "--config", str(conf)]
    command = "echo canary-password"
    subprocess.run([*words, "--password-command", command], check=True, capture_output=True)
    assert b"gdrive" not in conf.read_bytes()
    before = stamp(conf)
    said = here.run("import", "rclone", "--config", "my.conf", RCLONE_PASSWORD_COMMAND=command)
    assert said.code == 0
    assert "  gdrive: {rclone: gdrive}\n" in said.out
    refused = here.run("import", "rclone", "--config", "my.conf")
    assert refused.code == 2
    assert "rclone cannot read your rclone.conf" in refused.err
    assert stamp(conf) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("import",), "required: SOURCE"),
        (("import", "dropbox"), "is none of basic-memory, rclone, bisync-state"),
        (("import", "rclone", "--config", "nowhere"), "there is no file nowhere"),
        (("import", "rclone", "--config-dir", "x"), "does not take --config-dir"),
        (("import", "basic-memory", "--config", "x"), "does not take --config"),
        (("import", "basic-memory", "--config-dir", "x"), "there is no x/config.json"),
        (("import", "rclone", "notes"), "does not take notes"),
        (("import", "bisync-state"), "needs the name of a declared project"),
        (("import", "bisync-state", "notes", "-o", "x"), "does not take --out"),
        (("import", "basic-memory", "-o", "no/such/folder.yaml"), "cannot write"),
    ],
)
def test_what_is_asked_wrongly_is_one_sentence(
    here: World, words: tuple[str, ...], said: str
) -> None:
    found = here.run(*words)
    assert found.code == 2
    assert said in found.err


def test_an_empty_conf_proposes_no_remote(here: World) -> None:
    rclone_conf(here, "")
    said = here.run("import", "rclone", "--config", "my.conf")
    assert (said.code, "remotes: {}" in said.out) == (0, True)


def test_the_memory_of_an_earlier_bisync_makes_a_deletion_a_deletion(here: World) -> None:
    """Without it the first run would be a union, and the file would come back."""
    manifest = "version: 1\nremotes: {shelf: {type: local, root: ./cloud}}\n"
    here.write("sync.yaml", f"{manifest}projects: {{notes: {{local: ./notes, remote: shelf}}}}\n")
    for name in ("a", "b", "c"):
        here.write(f"notes/{name}.md")
    (here.root / "cloud/notes").mkdir(parents=True)
    rclone = str(find(None, os.environ).path)
    sides = [str(here.root / "notes"), str(here.root / "cloud/notes")]
    bisync = [rclone, "bisync", *sides, "--workdir", str(here.root / "work"), "--resync"]
    subprocess.run(bisync, check=True, capture_output=True, env=here.env)
    before = stamps(here.root / "work")
    (here.root / "notes/a.md").unlink()
    assert "no bisync listings of project notes" in here.run("import", "bisync-state", "notes").err
    said = here.run("import", "bisync-state", "notes", "--workdir", "work")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("notes: remembers 3 files of the last bisync\n")
    assert "1  deleted here\n" in said.out
    assert stamps(here.root / "work") == before
    again = here.run("import", "bisync-state", "notes", "--workdir", "work")
    assert (again.code, "has a memory already" in again.err) == (2, True)
    assert here.run("apply").code == 0
    assert sorted(here.files("cloud/notes")) == sorted(here.files("notes")) == ["b.md", "c.md"]
    renewed = here.run(
        "import", "bisync-state", "notes", "--workdir", "work", "--replace", "--json"
    )
    assert renewed.json["data"]["replaced"] is True

"""What a manifest takes from this machine is told before anything is taken, and can be refused.

Programs here leave a file behind, so that it is seen whether they ran.
"""

from __future__ import annotations

import json
import subprocess
import sysconfig
from pathlib import Path

import pytest
from cli_outside import World

RCLONE = Path(sysconfig.get_path("scripts")) / "rclone"
S3 = "provider: Other, endpoint: 'http://127.0.0.1:9'"


def declared(options: str, kind: str = "s3", more: str = "") -> str:
    return (
        f"version: 1\nremotes:\n  away: {{type: {kind}, root: b, options: {{{options}}}}}\n"
        "  shelf: {type: local, root: ./shelf}\n"
        "policies: {p: {retry: {attempts: 1}}}\ndefaults: {policy: p}\n"
        f"projects:\n  notes: {{local: ./notes, remote: away}}\n{more}"
    )


def world(root: Path, text: str) -> World:
    here = World(root)
    here.write("sync.yaml", text)
    here.write("notes/a.md")
    return here


def newer_rclone(root: Path) -> Path:
    """Make an rclone with an option that ours does not have."""
    listed = json.loads(subprocess.check_output([RCLONE, "config", "providers"]))
    s3 = next(backend for backend in listed if backend["Name"] == "s3")
    s3["Options"].append({**s3["Options"][0], "Name": "warp_speed", "Type": "bool"})
    (root / "providers.json").write_text(json.dumps(listed))
    script = root / "rclone-9"
    script.write_text(
        f'#!/bin/sh\n[ "$1 $2" = "config providers" ] && exec cat {root}/providers.json\n'
        f'exec {RCLONE} "$@"\n'
    )
    script.chmod(0o755)
    return script


@pytest.mark.parametrize("command", [("validate",), ("plan",), ("apply", "--yes"), ("status",)])
def test_a_misspelt_option_is_refused_where_it_stands(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    said = world(tmp_path, declared("provder: Other")).run(*command)
    assert said.code == 2
    text = said.out + said.err
    assert "sync.yaml:3:39: error BMS090: the backend s3 has no option 'provder'" in text
    assert "did you mean 'provider'?" in text


def test_an_option_of_a_newer_rclone_is_taken_when_that_one_runs(tmp_path: Path) -> None:
    here = world(tmp_path, declared("provider: Other, warp_speed: true"))
    assert here.run("validate").code == 2
    newer = str(newer_rclone(tmp_path))
    assert here.run("validate", "--rclone", newer).code == 0
    assert here.run("validate", BM_SYNC_RCLONE=newer).code == 0
    assert here.run("status", BM_SYNC_RCLONE=newer).code == 0
    here.write("sync.yaml", declared("provider: Other, wrap_speed: true"))
    assert "has no option 'wrap_speed'" in here.run("validate", BM_SYNC_RCLONE=newer).out


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        ("s3", f"{S3}, env_auth: true", "the option env_auth can make rclone run a program"),
        ("s3", f"{S3}, profile: x", "the option profile can make rclone run a program"),
        ("s3", f"{S3}, shared_credentials_file: c", "shared_credentials_file can make rclone run"),
        ("azureblob", "account: a, use_az: true", "the option use_az makes rclone run a program"),
        ("azurefiles", "account: a, env_auth: true", "the option env_auth can make rclone run"),
        ("sftp", "ssh: ssh x", "the option ssh makes rclone run a program"),
        (
            "webdav",
            "url: 'http://127.0.0.1:9', bearer_token_command: print-it",
            "the option bearer_token_command makes rclone run a program",
        ),
        ("sftp", "host: x, pass: {command: print-it}", "a command runs on this machine to print"),
    ],
)
def test_whatever_starts_a_program_is_told_by_validate_and_by_every_plan(
    tmp_path: Path, kind: str, options: str, told: str
) -> None:
    here = world(tmp_path, declared(options, kind))
    assert told in here.run("validate").out
    for _ in range(2):
        assert told in here.run("plan").err


def test_files_that_options_name_are_told_once_and_by_every_validate(tmp_path: Path) -> None:
    here = world(tmp_path, declared("host: 127.0.0.1, port: 9, key_file: ~/.ssh/id", "sftp"))
    told = "warning BMS092: remote 'away' uses files or credentials of this machine (key_file)"
    assert told in here.run("plan").err
    assert told not in here.run("plan").err
    for _ in range(2):
        assert told in here.run("validate").out


def test_the_program_of_a_credentials_file_is_told_before_it_runs(tmp_path: Path) -> None:
    here = world(tmp_path, declared(f"{S3}, env_auth: true, shared_credentials_file: aws"))
    ran = tmp_path / "ran"
    here.write("aws", f"[default]\ncredential_process = /usr/bin/touch {ran}\n")
    assert "shared_credentials_file can make rclone run" in here.run("validate").out
    assert not ran.exists()
    said = here.run("plan")
    assert ran.exists(), "the case is a real one"
    assert "shared_credentials_file can make rclone run" in said.err


def test_who_may_write_a_manifest_with_such_an_option_may_not_start_programs(
    tmp_path: Path,
) -> None:
    here = world(tmp_path, declared(f"{S3}, env_auth: true"))
    (tmp_path / "sync.yaml").chmod(0o666)
    said = here.run("plan")
    assert said.code == 2
    assert "others can write it (mode 0666)" in said.err


@pytest.mark.parametrize(
    ("options", "because"),
    [
        (f"{S3}, env_auth: true", "the option env_auth"),
        (f"{S3}, access_key_id: {{command: 'touch ran'}}", "starts a program"),
        (f"{S3}, access_key_id: {{file: /etc/hostname}}", "takes a file or credentials"),
        (f"{S3}, shared_credentials_file: /etc/hostname", "the option shared_credentials_file"),
    ],
)
def test_no_commands_leaves_a_remote_alone_that_takes_something_of_this_machine(
    tmp_path: Path, options: str, because: str
) -> None:
    more = "  own: {local: ./own, remote: shelf}\nhooks: {before: [touch ran]}\n"
    here = world(tmp_path, declared(options, more=more))
    here.write("own/b.md")
    for words in (("validate",), ("show",)):
        assert here.run(*words, "--no-commands").code == 0
    said = here.run("plan", "--no-commands", "--json")
    assert said.code == 2
    notes, own = said.json["data"]["projects"]
    assert because in notes["failure"]
    assert "--no-commands" in notes["failure"]
    assert [action["path"] for action in own["actions"]] == ["b.md"]
    assert not (tmp_path / "ran").exists()


def test_no_commands_takes_no_remote_of_rclone_conf_and_no_sign_in(tmp_path: Path) -> None:
    here = world(
        tmp_path, declared(S3).replace("type: s3, root: b, options: {" + S3 + "}", "rclone: x")
    )
    here.write(".config/rclone/rclone.conf", "[x]\ntype = local\n")
    said = here.run("plan", "--no-commands")
    assert said.code == 2
    assert "is one of your rclone.conf" in said.out

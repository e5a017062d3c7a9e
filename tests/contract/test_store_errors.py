"""What a person is told when a store cannot be used: the cause, the place, the next command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import servers
from cli_outside import World

RAW = ("StatusCode", "RequestID", "ListJSON", "dial tcp", "api error")
COMMANDS = (("plan",), ("apply", "--yes"), ("check",), ("ls", "notes"), ("doctor",))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    with servers.serve_s3(tmp_path_factory.mktemp("store")) as one:
        yield one


def world(
    folder: Path, server: servers.Server, root: str = servers.BUCKET, **instead: str
) -> World:
    options = dict(server.options) | {"secret_access_key": "{env: SECRET}"} | instead
    said = ", ".join(f"{k}: {v if v.startswith('{') else repr(v)}" for k, v in options.items())
    here = World(folder)
    here.write(
        "sync.yaml",
        f"version: 1\nremotes: {{shelf: {{type: s3, root: {root}, options: {{{said}}}}}}}\n"
        "defaults: {remote: shelf}\n"
        "projects: {notes: {local: ./notes}, c: {local: ./c}, d: {local: ./d}}\n",
    )
    for name in ("notes", "c", "d"):
        here.write(f"{name}/a.md")
    return here


@pytest.mark.parametrize("words", COMMANDS, ids=lambda w: w[0])
def test_a_bucket_that_is_missing_is_told_with_the_way_to_make_it(
    store: servers.Server, tmp_path: Path, words: tuple[str, ...]
) -> None:
    here = world(tmp_path, store, "nobucket")
    said = here.run(*words, SECRET=servers.SECRET_KEY)
    assert said.code != 0
    text = said.out + said.err
    assert "bucket" in text
    assert "does not exist" in text
    assert not [raw for raw in RAW if raw in text]
    if words[0] != "check" and words[0] != "ls":
        assert "bm-sync doctor --create-bucket shelf" in text


def test_doctor_makes_a_bucket_when_it_is_told_to(store: servers.Server, tmp_path: Path) -> None:
    here = world(tmp_path, store, "made")
    assert here.run("doctor", SECRET=servers.SECRET_KEY).code == 1
    assert store.folder is not None
    assert not (store.folder / "made").exists()
    said = here.run("doctor", "--create-bucket", "shelf", SECRET=servers.SECRET_KEY)
    assert said.code == 0, said.err
    assert (store.folder / "made").is_dir()
    assert here.run("apply", "--yes", SECRET=servers.SECRET_KEY).code == 0
    said = here.run("doctor", "--create-bucket", "nowhere", SECRET=servers.SECRET_KEY)
    assert (said.code, "they are: shelf" in said.err) == (2, True)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda w: w[0])
def test_a_wrong_key_is_told_by_its_cause_and_place_and_in_full_with_v(
    store: servers.Server, tmp_path: Path, words: tuple[str, ...]
) -> None:
    here = world(tmp_path, store, access_key_id="nobody")
    said = here.run(*words, SECRET=servers.SECRET_KEY)
    text = said.out + said.err
    assert said.code == 1
    assert "the store does not know the access key" in text
    assert "check the keys of remote 'shelf' (sync.yaml:2)" in text
    assert not [raw for raw in RAW if raw in text]
    loud = here.run("-v", *words, SECRET=servers.SECRET_KEY)
    assert "api error InvalidAccessKeyId" in loud.err


def test_a_refused_connection_is_told_while_it_is_tried_again_once_for_all_projects(
    store: servers.Server, tmp_path: Path
) -> None:
    port = servers.free_port()
    here = world(tmp_path, store, endpoint=f"http://127.0.0.1:{port}")
    said = here.run("plan", SECRET=servers.SECRET_KEY)
    waiting = f"remote shelf: 127.0.0.1:{port} refuses the connection; trying for another"
    assert said.err.count(waiting) == 1
    assert said.out.count("refuses the connection") == 1
    assert not [raw for raw in RAW if raw in said.out + said.err]


def test_http_where_https_was_asked_for_is_told_at_once(
    store: servers.Server, tmp_path: Path
) -> None:
    here = world(tmp_path, store, endpoint=f"https://127.0.0.1:{store.port}")
    said = here.run("plan", SECRET=servers.SECRET_KEY)
    assert "speaks http, and https was asked for" in said.out
    assert "write http:// in its endpoint" in said.out
    assert "trying for" not in said.err


def test_a_command_for_a_secret_that_fails_is_told_once_with_its_last_line(
    store: servers.Server, tmp_path: Path
) -> None:
    script = tmp_path / "tell"
    script.write_text(
        "#!/bin/sh\necho run >> ran\necho first >&2\necho the last line >&2\nexit 7\n"
    )
    script.chmod(0o755)
    here = world(tmp_path, store, secret_access_key=f"{{command: '{script} | head -1'}}")
    said = here.run("plan")
    assert said.out.count("exit code 7; it said: the last line") == 1
    assert "first" not in said.out
    assert "without a shell" in said.out
    assert (tmp_path / "ran").read_text().count("run") == 1

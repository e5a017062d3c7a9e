"""Remotes of the manifest and of the user's rclone.conf, names, and secrets."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import subprocess
from pathlib import Path

import pytest
import servers
from hypothesis import given
from hypothesis import strategies as st

from bm_sync.errors import SecretError, UsageError
from bm_sync.masking import MASK
from bm_sync.model.config import BackendRemote, NamedRemote, Origin, SecretRef
from bm_sync.rclone.binary import find
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.names import from_standard, to_standard
from bm_sync.rclone.remotes import declared, local_fs
from bm_sync.secret import Secret, redact, resolve

HERE = Origin("sync.yaml", 7, 3)
CANARY = "canary-secret-value"


def remote(kind: str, root: str = "", **options: str | SecretRef) -> BackendRemote:
    return BackendRemote("store", kind, tuple(options.items()), root, HERE)


def conf(folder: Path, text: str) -> dict[str, str]:
    file = folder / "rclone.conf"
    file.write_text(text)
    return {**os.environ, "RCLONE_CONFIG": str(file)}


def obscured(text: str) -> str:
    rclone = str(find(None, os.environ).path)
    done = subprocess.run([rclone, "obscure", text], capture_output=True, text=True, check=True)
    return done.stdout.strip()


NAMES = st.text(
    st.one_of(
        st.sampled_from("\u201b\uff0f\uff0e.\u2400\u240a\u2421\u2424\x01\n\r\x7f \\ab"),
        st.characters(blacklist_categories=["Cs"], blacklist_characters="\0/"),
    ),
    min_size=1,
    max_size=12,
).filter(lambda name: name not in {".", ".."})


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_every_path_comes_back_from_the_form_of_rclone(names: list[str]) -> None:
    path = "/".join(names)
    standard = to_standard(path)
    assert from_standard(standard) == path
    assert not {chr(c) for c in range(0x20)} & set(standard)


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "\uff0e\uff0e",
        "a/\uff0e\uff0e/b",
        "\uff0e",
        "a//b",
        "/a",
        "a/",
        "x\uff0fy",
        "x\u2400",
        "..",
    ],
)
def test_a_listed_name_that_no_file_can_have_is_no_path(shown: str) -> None:
    assert from_standard(shown) is None


def test_rclone_itself_agrees_on_the_form_of_names(tmp_path: Path) -> None:
    names = [chr(c) for c in (*range(1, 0x20), 0x7F, *range(0x2400, 0x2426), 0x201B)]
    names += ["\u201b" + n for n in names] + ["\uff0e", "\uff0e\uff0e", "\uff0e\u201b", "\u201bx"]
    names += ["\uff0f", "\u201b\uff0f", "\u201b\uff0e", "...", ". ", "\uff0e\uff0e\uff0e"]
    source = tmp_path / "source"
    source.mkdir()
    for name in names:
        (source / name).touch()

    async def run() -> set[str]:
        async with servers.rclone_in(tmp_path) as rclone:
            fs = rclone.local(source)
            listing = await rclone.list_tree(fs, features=await rclone.features(fs))
            assert not listing.unusable
            return {e.path for e in listing.entries}

    assert asyncio.run(run()) == set(names)


@pytest.mark.parametrize("path", ["..", "a/../b", "a//b", "/a", "a/", ".", "a\0b"])
def test_a_path_that_leads_out_of_its_root_is_refused(path: str) -> None:
    with pytest.raises(UsageError):
        local_fs(Path("/somewhere")).at(path)


@pytest.mark.parametrize("root", ["a/../b", "../a", "a\nb", "a\0b", "a\rb"])
def test_a_root_that_leads_elsewhere_is_refused(tmp_path: Path, root: str) -> None:
    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            await rclone.connect(remote("s3", root, provider="Other"), {})

    with pytest.raises(UsageError):
        asyncio.run(run())


@pytest.mark.parametrize("value", ["a\nb", "a\0b", "a\rb"])
def test_an_option_with_a_line_break_is_refused_at_its_line(value: str) -> None:
    with pytest.raises(UsageError, match=r"sync\.yaml:7.*option region"):
        declared(remote("s3", region=value), "x", {})


def test_an_s3_remote_gets_safe_defaults_that_the_user_may_change() -> None:
    plain = declared(remote("s3"), "x", {}).parameters()
    assert plain["no_check_bucket"] == "true"
    assert plain["no_head"] == "true"
    assert "BackSlash" in plain["encoding"]
    mine = declared(remote("s3", no_head="false", encoding="Slash"), "x", {}).parameters()
    assert (mine["no_head"], mine["encoding"]) == ("false", "Slash")


def test_a_backend_that_does_not_exist_is_an_error_of_the_configuration(tmp_path: Path) -> None:
    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            await rclone.features(await rclone.connect(remote("nosuchthing"), {}))

    with pytest.raises(RcloneError) as caught:
        asyncio.run(run())
    assert caught.value.fault is Fault.CONFIG


def test_secrets_of_the_manifest_reach_the_store_and_no_message(
    tmp_path: Path, serve_s3: servers.Server
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{servers.SECRET_KEY}\n")
    wrong = {"secret_access_key": SecretRef("env", "WRONG", HERE)}
    right = {"secret_access_key": SecretRef("file", str(secret), HERE)}
    options = {k: v for k, v in serve_s3.options if k != "secret_access_key"}

    async def run() -> str:
        async with servers.rclone_in(tmp_path) as rclone:
            good = await rclone.connect(remote("s3", "bucket", **options, **right), {})
            await rclone.ping(good)
            env = {"WRONG": CANARY}
            bad = await rclone.connect(remote("s3", "bucket", **options, **wrong), env)
            with pytest.raises(RcloneError) as caught:
                await rclone.ping(bad)
            assert caught.value.fault is Fault.AUTH
            return str(caught.value)

    assert CANARY not in asyncio.run(run())


def test_passwords_are_given_in_clear(tmp_path: Path, serve_sftp: servers.Server) -> None:
    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            await rclone.ping(await rclone.connect(serve_sftp.remote(), os.environ))
            wrong = serve_sftp.remote(**{"pass": "x" * 30})
            with pytest.raises(RcloneError) as caught:
                await rclone.ping(await rclone.connect(wrong, os.environ))
            assert caught.value.fault is Fault.AUTH

    asyncio.run(run())


def test_a_remote_of_the_user_s_own_rclone_conf_is_used_with_what_it_builds_on(
    tmp_path: Path, serve_webdav: servers.Server
) -> None:
    options = dict(serve_webdav.options)
    text = f"""
[dav]
type = webdav
url = {options["url"]}
vendor = rclone
user = {options["user"]}
pass = {obscured(options["pass"])}

[vault]
type = crypt
remote = dav:secret place
password = {obscured("canary of the vault")}

[both]
type = combine
upstreams = one=vault: "two=dav:other place"

[unrelated]
type = drive
token = {{"access_token":"{CANARY}"}}
"""
    env = conf(tmp_path, text)
    before = (tmp_path / "rclone.conf").read_bytes()
    (tmp_path / "note").write_text("text")

    async def run() -> set[str]:
        async with servers.rclone_in(tmp_path) as rclone:
            both = await rclone.connect(NamedRemote("mine", "both", "", HERE), env)
            vault = await rclone.connect(NamedRemote("mine", "vault:", "sub", HERE), env)
            await rclone.copy_file(rclone.local(tmp_path), "note", vault, "note")
            await servers.kill(rclone)
            listing = await rclone.list_tree(
                both.at("one"), features=await rclone.features(both.at("one"))
            )
            return {e.path for e in listing.entries}

    assert serve_webdav.folder is not None
    (serve_webdav.folder / "other place").mkdir()
    (serve_webdav.folder / "secret place").mkdir()
    assert "sub/note" in asyncio.run(run())
    assert (tmp_path / "rclone.conf").read_bytes() == before
    names = [p.name for p in (serve_webdav.folder / "secret place").iterdir()]
    assert "sub" not in names


def s3_variables(name: str, served: servers.Server) -> dict[str, str]:
    """Return variables of the environment that declare a remote, as rclone reads them."""
    said = {"type": "s3", **dict(served.options)}
    return {f"RCLONE_CONFIG_{name.upper()}_{option.upper()}": v for option, v in said.items()}


@pytest.mark.parametrize("name", ["store", "Store", "my-store"])
def test_a_remote_that_only_the_environment_declares_is_found_as_rclone_finds_it(
    tmp_path: Path, serve_s3: servers.Server, name: str
) -> None:
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], **s3_variables(name, serve_s3)}

    async def run() -> None:
        async with servers.rclone_in(tmp_path, env) as rclone:
            fs = await rclone.connect(NamedRemote("mine", name, servers.BUCKET, HERE), env)
            await rclone.ping(fs)

    rclone = str(find(None, os.environ).path)
    subprocess.check_call([rclone, "lsf", f"{name}:{servers.BUCKET}"], env=env)
    asyncio.run(run())


def test_the_environment_is_stronger_than_rclone_conf_and_one_remote_than_all(
    tmp_path: Path, serve_s3: servers.Server
) -> None:
    text = "[store]\ntype = s3\nprovider = Other\nendpoint = http://127.0.0.1:9\n"
    said = s3_variables("store", serve_s3)
    of_all = "RCLONE_S3_SECRET_ACCESS_KEY"
    own = "RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY"
    known = conf(tmp_path, text) | {k: v for k, v in said.items() if not k.endswith("_TYPE")}
    weak = {**known, of_all: known[own]}
    del weak[own]

    async def lists(env: dict[str, str]) -> bool:
        async with servers.rclone_in(tmp_path, env) as rclone:
            remote = NamedRemote("mine", "store", servers.BUCKET, HERE)
            try:
                await rclone.ping(await rclone.connect(remote, env))
            except RcloneError:
                return False
            return True

    assert asyncio.run(lists(known))
    assert asyncio.run(lists(weak)), "what is said for all remotes of a backend counts"
    assert not asyncio.run(lists({**weak, own: "wrong"})), "what is said for this one is stronger"


def test_rclone_conf_may_be_named_relative_to_where_the_user_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = conf(tmp_path, f"[here]\ntype = alias\nremote = {tmp_path}\n")
    monkeypatch.chdir(tmp_path)
    env["RCLONE_CONFIG"] = "rclone.conf"

    async def run() -> None:
        async with servers.rclone_in(tmp_path, env) as rclone:
            await rclone.ping(await rclone.connect(NamedRemote("mine", "here", "", HERE), env))

    asyncio.run(run())


def test_a_remote_of_the_manifest_may_build_on_one_of_rclone_conf(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/note").touch()
    env = conf(tmp_path, f"[disk]\ntype = alias\nremote = {tmp_path}\n")

    async def run() -> list[str]:
        async with servers.rclone_in(tmp_path, env) as rclone:
            fs = await rclone.connect(remote("alias", "", remote="disk:deep"), env)
            listing = await rclone.list_tree(fs, features=await rclone.features(fs))
            return [e.path for e in listing.entries]

    assert asyncio.run(run()) == ["note"]


def test_an_encrypted_rclone_conf_is_read_by_rclone_s_own_password_command(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a").touch()
    env = conf(tmp_path, f"[here]\ntype = alias\nremote = {folder}\n")
    env["RCLONE_PASSWORD_COMMAND"] = f"echo {CANARY}"
    rclone = str(find(None, os.environ).path)
    subprocess.run([rclone, "config", "encryption", "set"], env=env, check=True)
    assert "RCLONE_ENCRYPT" in (tmp_path / "rclone.conf").read_text()

    async def run() -> list[str]:
        async with servers.rclone_in(tmp_path) as rclone:
            fs = await rclone.connect(NamedRemote("mine", "here", "", HERE), env)
            listing = await rclone.list_tree(fs, features=await rclone.features(fs))
            del env["RCLONE_PASSWORD_COMMAND"]
            with pytest.raises(UsageError, match=r"cannot read your rclone\.conf"):
                await rclone.connect(NamedRemote("other", "here", "", HERE), env)
            return [e.path for e in listing.entries]

    assert asyncio.run(run()) == ["a"]


def test_a_remote_with_a_token_is_handed_over_without_asking_anything(tmp_path: Path) -> None:
    token = json.dumps({"access_token": CANARY, "expiry": "2099-01-01T00:00:00Z"})
    env = conf(tmp_path, f"[d]\ntype = drive\nscope = drive\ntoken = {token}\n")

    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            fs = await rclone.connect(NamedRemote("mine", "d", "kb", HERE), env)
            assert fs.root == "d:kb/"

    asyncio.run(run())


def test_a_name_that_rclone_conf_does_not_have_is_said_with_those_it_has(tmp_path: Path) -> None:
    env = conf(tmp_path, "[one]\ntype = local\n")

    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            await rclone.connect(NamedRemote("mine", "two", "", HERE), env)

    with pytest.raises(UsageError, match=r"sync\.yaml:7") as caught:
        asyncio.run(run())
    assert caught.value.hint == "it has: one"


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret(CANARY)
    assert CANARY not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == CANARY
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_a_secret_comes_from_the_environment_a_file_or_a_command(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b" two words \n\n")
    assert resolve(SecretRef("env", "X", HERE), {"X": CANARY}).reveal() == CANARY
    assert resolve(SecretRef("file", str(file), HERE), {}).reveal() == " two words \n"
    home = {"HOME": str(tmp_path)}
    assert resolve(SecretRef("file", "~/secret", HERE), home).reveal() == " two words \n"
    env = {"PATH": os.environ["PATH"], "X": CANARY}
    command = SecretRef("command", """sh -c 'echo "  $X "; echo noise >&2'""", HERE)
    assert resolve(command, env).reveal() == CANARY


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        ("env", "NOT_SET", "is not set"),
        ("env", "EMPTY", "is empty"),
        ("file", "missing", "cannot be read"),
        ("file", "folder", "cannot be read"),
        ("file", "large", "64 KiB"),
        ("file", "binary", "not UTF-8"),
        ("command", "false", "exit code 1"),
        ("command", "no-such-program-anywhere", "cannot be run"),
        ("command", "echo 'open", "split into words"),
        ("command", "", "is empty"),
        ("command", f"sh -c 'echo {CANARY} >&2; exit 3' {CANARY}", "exit code 3"),
        ("command", "true", "is empty"),
        (
            "command",
            "sh -c 'echo no agent is there >&2; exit 4'",
            "exit code 4; it said: no agent is",
        ),
    ],
)
def test_a_secret_that_cannot_be_read_is_said_with_its_line_and_without_its_value(
    tmp_path: Path, kind: str, value: str, why: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "large").write_bytes(b"x" * 65537)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    named = str(tmp_path / value) if kind == "file" else value
    env = {"PATH": os.environ["PATH"], "EMPTY": ""}
    ref = SecretRef(kind, named, HERE)  # type: ignore[arg-type]  # a parameter of the test
    with pytest.raises(SecretError) as caught:
        resolve(ref, env)
    text = f"{caught.value.what} {caught.value.hint} {caught.value.__cause__}"
    assert why in text
    assert "sync.yaml:7" in text
    assert CANARY not in text


def test_redaction_covers_longer_secrets_first_and_leaves_short_words() -> None:
    secrets = [Secret("abcd"), Secret("abcdefgh"), Secret("to")]
    assert redact("to abcdefgh or abcd", secrets) == f"to {MASK} or {MASK}"

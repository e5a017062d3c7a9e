"""Where the service is, and which credential belongs there: no token goes to another host."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bm_sync.cloud.account import KEY_VARIABLE, Account
from bm_sync.cloud.places import (
    DEFAULT_CLIENT_ID,
    DEFAULT_DOMAIN,
    DEFAULT_HOST,
    Host,
    address,
    host_of,
)
from bm_sync.errors import UsageError
from bm_sync.paths import basic_memory_dir

ELSEWHERE = "https://other.example.com"
TOKENS = {
    "access_token": "at_1",
    "refresh_token": "rt_1",
    "expires_at": 9e9,
    "token_type": "Bearer",
}


def basic_memory(home: Path, name: str, said: object) -> dict[str, str]:
    """Write a file of Basic Memory's data directory and return an environment that finds it."""
    folder = home / "data"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(said if isinstance(said, str) else json.dumps(said))
    return {"HOME": str(home), "BASIC_MEMORY_CONFIG_DIR": str(folder)}


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://cloud.example.com/", "https://cloud.example.com"),
        ("cloud.example.com", "https://cloud.example.com"),
        ("HTTPS://Cloud.Example.com:443", "https://cloud.example.com"),
        ("https://cloud.example.com:8443/base/", "https://cloud.example.com:8443/base"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost/", "http://localhost"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_an_address_has_one_form(url: str, plain: str) -> None:
    assert address(url) == plain


@pytest.mark.parametrize(
    "url",
    [
        "http://cloud.example.com",
        "http://127.0.0.1.example.com",
        "ftp://cloud.example.com",
        "file:///etc/passwd",
        "https://",
        "https://user@cloud.example.com",
        "https://user:secret@cloud.example.com",
        "https://cloud.example.com?x=1",
        "https://cloud.example.com#x",
        "https://cloud.example.com:port",
        "https://clo ud.example.com",
        "https://cloud.example.com\\@evil.example.com",
        "https://clo\u0443d.example.com",
        "https://[::1",
    ],
)
def test_an_address_that_no_token_may_go_to_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        address(url)
    assert "secret" not in refused.value.what


def test_without_anything_declared_the_defaults_hold(tmp_path: Path) -> None:
    expected = Host(DEFAULT_HOST, DEFAULT_DOMAIN, DEFAULT_CLIENT_ID)
    assert host_of(None, {"HOME": str(tmp_path)}) == expected


def test_basic_memorys_config_counts_and_the_environment_before_it(tmp_path: Path) -> None:
    said = {"cloud_host": "https://a.example.com/", "cloud_domain": "https://d.example.com"}
    env = basic_memory(tmp_path, "config.json", said)
    assert host_of(None, env) == Host(
        "https://a.example.com", "https://d.example.com", DEFAULT_CLIENT_ID
    )
    env |= {"BASIC_MEMORY_CLOUD_HOST": "https://b.example.com", "BASIC_MEMORY_CLOUD_CLIENT_ID": "c"}
    assert host_of(None, env) == Host("https://b.example.com", "https://d.example.com", "c")
    assert host_of(ELSEWHERE, env).url == ELSEWHERE


@pytest.mark.parametrize("text", ["{", "[]", '"x"', "\x00", "[" * 100_000])
def test_a_damaged_config_says_nothing(tmp_path: Path, text: str) -> None:
    assert host_of(None, basic_memory(tmp_path, "config.json", text)).url == DEFAULT_HOST


def test_the_data_directory_is_found_in_the_order_of_basic_memory(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path)}
    assert basic_memory_dir(env) == tmp_path / ".basic-memory"
    env["XDG_CONFIG_HOME"] = "/x"
    assert basic_memory_dir(env) == Path("/x/basic-memory")
    env["BASIC_MEMORY_CONFIG_DIR"] = "/c"
    assert basic_memory_dir(env) == Path("/c")


def found(url: str | None, env: dict[str, str], home: Path) -> Account:
    return Account.find(host_of(url, env), env, home / "state")


def test_the_key_of_the_environment_goes_to_the_host_of_the_environment_only(
    tmp_path: Path,
) -> None:
    env = {"HOME": str(tmp_path), KEY_VARIABLE: "bmc_canary"}
    assert found(None, env, tmp_path).describe().source == KEY_VARIABLE
    assert found(DEFAULT_HOST, env, tmp_path).signed_in
    assert not found(ELSEWHERE, env, tmp_path).signed_in
    env["BASIC_MEMORY_CLOUD_HOST"] = ELSEWHERE
    assert found(ELSEWHERE, env, tmp_path).signed_in
    assert not found(DEFAULT_HOST, env, tmp_path).signed_in


@pytest.mark.parametrize(
    ("name", "said", "how"),
    [
        ("basic-memory-cloud.json", TOKENS, "basic-memory"),
        ("config.json", {"cloud_api_key": "bmc_canary"}, "api-key"),
    ],
)
def test_what_basic_memory_keeps_is_used_as_it_is_and_at_its_host_only(
    tmp_path: Path, name: str, said: object, how: str
) -> None:
    env = basic_memory(tmp_path, name, said)
    assert found(None, env, tmp_path).describe().how == how
    assert not found(ELSEWHERE, env, tmp_path).signed_in
    env["BASIC_MEMORY_CLOUD_HOST"] = ELSEWHERE
    assert found(ELSEWHERE, env, tmp_path).describe().how == how
    assert not found(DEFAULT_HOST, env, tmp_path).signed_in


def test_with_a_damaged_config_nobody_knows_where_basic_memorys_login_belongs(
    tmp_path: Path,
) -> None:
    env = basic_memory(tmp_path, "basic-memory-cloud.json", TOKENS)
    basic_memory(tmp_path, "config.json", '{"cloud_host": "https://intern.exam')
    account = found(None, env, tmp_path)
    assert not account.signed_in
    assert "config.json is damaged" in account.describe().source
    env["BASIC_MEMORY_CLOUD_HOST"] = DEFAULT_HOST
    assert found(None, env, tmp_path).signed_in


@pytest.mark.parametrize("text", ['{"access_tok', "", "[]", "{}", '{"access_token": 1}'])
def test_a_token_file_cut_off_by_a_crash_is_not_signed_in_with_a_sentence(
    tmp_path: Path, text: str
) -> None:
    account = found(None, basic_memory(tmp_path, "basic-memory-cloud.json", text), tmp_path)
    assert not account.signed_in
    assert "basic-memory-cloud.json is damaged" in account.describe().source
    own = tmp_path / "state/cloud/login.json"
    own.parent.mkdir(parents=True)
    own.write_text(text or "{")
    account = found(None, {"HOME": str(tmp_path)}, tmp_path)
    assert not account.signed_in
    assert "login.json is damaged" in account.describe().source


def test_accounts_are_told_apart_by_a_fingerprint_that_is_no_secret(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path)}
    ada = found(None, env | {KEY_VARIABLE: "bmc_ada"}, tmp_path).fingerprint
    grace = found(None, env | {KEY_VARIABLE: "bmc_grace"}, tmp_path).fingerprint
    assert len({ada, grace, found(None, env, tmp_path).fingerprint}) == 3
    assert len(ada) == 16
    assert int(ada, 16)


def test_a_token_that_says_whose_it_is_keeps_its_fingerprint_when_it_is_renewed(
    tmp_path: Path,
) -> None:
    import base64

    def token(sub: str, serial: int) -> str:
        claims = json.dumps({"iss": "https://i", "sub": sub, "jti": serial}).encode()
        return f"e30.{base64.urlsafe_b64encode(claims).rstrip(b'=').decode()}.c2ln"

    prints = {}
    for sub, serial in (("ada", 1), ("ada", 2), ("grace", 3)):
        said = {**TOKENS, "access_token": token(sub, serial)}
        env = basic_memory(tmp_path, "basic-memory-cloud.json", said)
        prints[serial] = found(None, env, tmp_path).fingerprint
    assert prints[1] == prints[2] != prints[3]

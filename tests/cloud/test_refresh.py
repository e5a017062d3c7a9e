"""Staying signed in: one refresh for many processes, and nothing but `invalid_grant` ends it."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from cloud_user import User, Waits, asked, wait_for
from hypothesis import given
from hypothesis import strategies as st

from bm_sync.cloud import keeping, oauth
from bm_sync.cloud.account import Account
from bm_sync.cloud.calls import open_http
from bm_sync.cloud.client import Cloud
from bm_sync.cloud.faults import CloudError, CloudFault, SignInError
from bm_sync.cloud.places import Host
from bm_sync.cloud.tokens import Tokens, as_file, granted, stored
from bm_sync.errors import Exit
from bm_sync.secret import Secret

TOKEN = "/oauth2/token"
ALWAYS = 1000

# Waits until the file `go` is there, then asks for a bearer and for the workspaces.
PROCESS = """
import asyncio, os, pathlib, sys, time
from bm_sync.cloud.account import Account
from bm_sync.cloud.client import Cloud
from bm_sync.cloud.places import host_of

async def work():
    host = host_of(None, os.environ)
    account = Account.find(host, os.environ, pathlib.Path(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.readline()
    async with Cloud(host, account) as cloud:
        await cloud.workspaces()
        print((await cloud.bearer()).reveal())

asyncio.run(work())
"""


def at_once(user: User, number: int) -> list[str]:
    """Let several processes ask the service at once and return the bearer each ended with."""
    env = {**user.env, "PYTHONPATH": ":".join(filter(None, sys.path))}
    command = [sys.executable, "-c", PROCESS, str(user.state)]
    pipe = subprocess.PIPE
    running = [
        subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        for _ in range(number)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    said = []
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in running:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        said.append(out.strip())
    return said


def bearer(account: Account) -> Secret:
    async def get(cloud: Cloud) -> Secret:
        return await cloud.bearer()

    found = asyncio.run(asked(account, get))
    assert isinstance(found, Secret)
    return found


def test_many_processes_whose_token_has_ended_refresh_it_once(user: User) -> None:
    user.signed_in()
    user.service.admin("switch", refresh_grace_s=0)
    user.end_token()
    said = at_once(user, 6)
    assert user.refreshes() == 1
    assert set(said) == {user.kept()["access_token"]}


def test_many_processes_whose_token_the_service_refuses_refresh_it_once(user: User) -> None:
    """The service ends the token although its time has not come."""
    user.signed_in()
    user.service.admin("switch", refresh_grace_s=0)
    user.service.admin("expire-tokens")
    said = at_once(user, 4)
    assert user.refreshes() == 1
    assert set(said) == {user.kept()["access_token"]}


def test_many_tasks_of_one_process_refresh_once(user: User) -> None:
    user.signed_in()
    user.service.admin("switch", refresh_grace_s=0)
    user.end_token()

    async def many(cloud: Cloud) -> list[object]:
        return await asyncio.gather(*(cloud.workspaces() for _ in range(8)))

    assert len(asyncio.run(asked(user.account(), many))) == 8
    assert user.refreshes() == 1


def test_a_fresh_token_asks_nobody(user: User) -> None:
    user.signed_in()
    assert bearer(user.account()).reveal() == user.kept()["access_token"]
    assert user.refreshes() == 0


@pytest.mark.parametrize(("left_s", "refreshes"), [(59, 1), (180, 0)])
def test_a_token_is_renewed_a_minute_before_its_end(
    user: User, left_s: int, refreshes: int
) -> None:
    user.service.admin("switch", access_token_s=left_s)
    user.signed_in()
    bearer(user.account())
    assert user.refreshes() == refreshes


def test_every_refresh_keeps_the_new_pair_and_the_next_one_uses_it(user: User) -> None:
    user.signed_in()
    user.service.admin("switch", refresh_grace_s=0)
    seen = set()
    for _ in range(3):
        user.end_token()
        bearer(user.account())
        seen.add(user.kept()["refresh_token"])
    assert len(seen) == 3
    assert stat.S_IMODE(user.login_file.stat().st_mode) == 0o600


def test_the_refresh_token_stays_when_the_answer_has_none(user: User) -> None:
    user.signed_in()
    user.service.admin("switch", refresh_tells_token=False)
    before = user.kept()
    for _ in range(2):
        user.end_token()
        bearer(user.account())
    after = user.kept()
    assert after["refresh_token"] == before["refresh_token"]
    assert after["access_token"] != before["access_token"]


def test_basic_memorys_file_is_refreshed_in_its_own_shape(user: User) -> None:
    user.like_basic_memory(added_by_a_later_version={"x": 1})
    before = json.loads(user.token_file.read_text())
    user.end_token()
    account = user.account()
    assert bearer(account).reveal() == json.loads(user.token_file.read_text())["access_token"]
    after = json.loads(user.token_file.read_text())
    assert set(after) == set(before)
    assert after["added_by_a_later_version"] == {"x": 1}
    assert after["refresh_token"] != before["refresh_token"]
    assert isinstance(after["expires_at"], int)
    assert stat.S_IMODE(user.token_file.stat().st_mode) == 0o600
    assert not user.login_file.exists()
    assert user.account().fingerprint == account.fingerprint


def test_a_link_to_the_token_file_stays_a_link(user: User) -> None:
    user.like_basic_memory()
    elsewhere = user.home / "elsewhere.json"
    user.token_file.rename(elsewhere)
    user.token_file.symlink_to(elsewhere)
    user.end_token()
    bearer(user.account())
    assert user.token_file.is_symlink()
    assert json.loads(elsewhere.read_text())["expires_at"] > time.time()


def tokens(user: User) -> Tokens:
    return stored(user.kept())


async def refreshed(user: User, before: Tokens, waits: Waits) -> Tokens:
    async with open_http(user.host) as http:
        return await oauth.refresh(http, user.host, before, waits.pace())


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 503, "kind": "html"},
        {"status": 429},
        {"kind": "reset"},
    ],
)
def test_a_refresh_that_meets_trouble_is_sent_again_with_the_same_token(
    user: User, fault: dict[str, object]
) -> None:
    user.signed_in()
    before = tokens(user)
    user.service.admin("fault", server="oauth", path=TOKEN, times=2, **fault)
    after = asyncio.run(refreshed(user, before, Waits()))
    assert after.refresh != before.refresh
    assert user.refreshes() == 3


def test_retry_after_is_waited_for(user: User) -> None:
    user.signed_in()
    before = tokens(user)
    user.service.admin("fault", server="oauth", path=TOKEN, status=429, retry_after="7")
    user.service.admin("fault", server="oauth", path=TOKEN, status=429, retry_after_date_s=30)
    waits = Waits()
    asyncio.run(refreshed(user, before, waits))
    assert waits.asked[0] == 7
    assert 25 < waits.asked[1] <= 30


def test_an_answer_lost_after_the_rotation_is_replayed_within_the_grace(user: User) -> None:
    """The old token is retired when it comes again; the service answers the same new pair."""
    user.signed_in()
    before = tokens(user)
    first = asyncio.run(refreshed(user, before, Waits()))
    assert asyncio.run(refreshed(user, before, Waits())).refresh == first.refresh


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"status": 500, "times": ALWAYS}, CloudFault.DOWN),
        ({"status": 429, "times": ALWAYS}, CloudFault.DOWN),
        ({"kind": "reset", "times": ALWAYS}, CloudFault.DOWN),
        ({"status": 200, "kind": "html"}, CloudFault.GARBLED),
        ({"status": 400, "body": '{"error": "invalid_client"}'}, CloudFault.INVALID),
    ],
)
def test_no_other_failure_than_invalid_grant_ends_the_session(
    user: User, fault: dict[str, object], kind: CloudFault
) -> None:
    user.signed_in()
    user.end_token()
    before = user.login_file.read_bytes()
    user.service.admin("fault", server="oauth", path=TOKEN, **fault)
    with pytest.raises(CloudError) as failed:
        asyncio.run(refreshed(user, tokens(user), Waits()))
    assert failed.value.fault is kind
    assert failed.value.exit is Exit.FAILED
    assert user.login_file.read_bytes() == before
    user.service.admin("clear-faults")
    bearer(user.account())


def test_invalid_grant_ends_the_session_with_a_sentence_and_changes_no_file(user: User) -> None:
    user.signed_in()
    user.end_token()
    user.service.admin("revoke-refresh")
    before = user.login_file.read_bytes()
    said = user.run("cloud", "status")
    assert said.code == Exit.NOT_SIGNED_IN
    assert "the session has ended" in said.out
    assert "bm-sync login" in said.out
    assert user.login_file.read_bytes() == before
    assert user.refreshes() == 1


def test_a_session_without_a_refresh_token_ends_with_its_token(user: User) -> None:
    user.service.admin("switch", login_tells_refresh_token=False)
    user.signed_in()
    assert "cannot renew itself" in user.run("cloud", "status").out
    user.end_token()
    with pytest.raises(SignInError, match="the session has ended"):
        bearer(user.account())
    assert user.refreshes() == 0


def test_what_basic_memory_renewed_meanwhile_is_taken_when_our_token_is_retired(
    user: User,
) -> None:
    """Basic Memory takes no lock of ours; it may write between our look and our call."""
    user.like_basic_memory()
    user.end_token()
    user.service.admin("switch", refresh_grace_s=0)
    old = stored(json.loads(user.token_file.read_text()))
    user.service.admin("fault", server="oauth", path=TOKEN, kind="stall")

    async def race() -> Secret:
        account = user.account()
        async with open_http(user.host) as http:
            ours = asyncio.create_task(account.bearer(http))
            await asyncio.to_thread(wait_for, user.struck)
            theirs = await oauth.refresh(http, user.host, old)
            user.token_file.write_text(json.dumps(as_file(theirs)))
            user.service.admin("release")
            assert await ours == theirs.access
            return theirs.access

    assert asyncio.run(race()).reveal().startswith("at_")


def test_a_run_that_is_stopped_while_it_refreshes_keeps_the_new_pair(user: User) -> None:
    user.signed_in()
    user.service.admin("switch", refresh_grace_s=0)
    user.end_token()
    old = user.kept()["refresh_token"]
    user.service.admin("fault", server="oauth", path=TOKEN, kind="stall")

    async def stopped() -> None:
        async with open_http(user.host) as http:
            task = asyncio.create_task(user.account().bearer(http))
            await asyncio.to_thread(wait_for, user.struck)
            task.cancel()
            await asyncio.sleep(0)
            user.service.admin("release")
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(stopped())
    assert user.kept()["refresh_token"] != old
    bearer(user.account())
    assert user.refreshes() == 1


def test_somebody_who_signs_out_meanwhile_is_signed_out(user: User) -> None:
    user.signed_in()
    user.end_token()
    account = user.account()
    user.login_file.unlink()
    with pytest.raises(SignInError, match="signed out meanwhile"):
        bearer(account)
    assert not user.login_file.exists()


def test_an_outage_does_not_matter_while_the_token_still_lasts(user: User) -> None:
    user.service.admin("switch", access_token_s=59)
    user.signed_in()
    user.service.admin("fault", server="oauth", path=TOKEN, status=400, body="{}", times=ALWAYS)
    assert bearer(user.account()).reveal() == user.kept()["access_token"]


def test_a_damaged_file_is_not_signed_in_and_stays_as_it_is(user: User) -> None:
    user.signed_in()
    user.login_file.write_text(user.login_file.read_text()[:-40])
    before = user.login_file.read_bytes()
    said = user.run("cloud", "status")
    assert said.code == Exit.NOT_SIGNED_IN
    assert "login.json is damaged" in said.out
    assert user.login_file.read_bytes() == before
    assert user.service.calls("control") == user.service.calls("oauth") == 0


def test_a_process_that_dies_while_it_holds_the_lock_blocks_nobody(user: User) -> None:
    user.signed_in()
    user.end_token()
    user.service.admin("fault", server="oauth", path=TOKEN, kind="stall")
    command = [sys.executable, "-c", PROCESS, str(user.state)]
    env = {**user.env, "PYTHONPATH": ":".join(filter(None, sys.path))}
    with subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as dying:
        assert dying.stdin is not None
        dying.stdin.write("\n")
        dying.stdin.flush()
        wait_for(user.struck)
        dying.kill()
    user.service.admin("release")
    bearer(user.account())
    assert not list(user.login_file.parent.glob(".login.json.*"))


_NUMBERS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.lists(st.none())
)


@given(st.one_of(st.text(max_size=4), st.none(), st.integers()), _NUMBERS, st.floats(0, 4e9))
def test_whatever_a_token_answer_holds_becomes_tokens_that_can_be_kept_or_an_error(
    access: object, lasts: object, now: float
) -> None:
    answer = {"access_token": access, "expires_in": lasts}
    try:
        found = granted(answer, now)
    except ValueError:
        return
    again = stored(json.loads(json.dumps(as_file(found))))
    assert again.access == found.access
    assert abs(again.expires_at - found.expires_at) <= 1


def test_a_private_file_is_replaced_in_one_step_and_leaves_nothing_beside_it(
    tmp_path: Path,
) -> None:
    file = tmp_path / "a/b/secret.json"
    keeping.replace(file, b"x")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    file.chmod(0o644)
    keeping.replace(file, b"y")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert keeping.read(file) == b"y"
    assert [path.name for path in file.parent.iterdir()] == ["secret.json"]


def test_no_proxy_stands_between_us_and_this_machine(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert asyncio.run(asked(user.with_key(), Cloud.workspaces))

    async def through() -> None:
        far = Host("https://cloud.invalid", "https://auth.invalid", "c")
        async with open_http(far) as http:
            await http.get(far.url)

    with pytest.raises(httpx.ConnectError):  # the proxy that is not there is asked
        asyncio.run(through())

"""Signing in: every answer of the device grant, what is kept, and what is not."""

from __future__ import annotations

import asyncio
import json
import signal
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from cli_outside import World
from cli_terminal import terminal
from cloud_user import User, Waits, wait_for
from standin_server import Standin

from bm_sync.cloud import oauth
from bm_sync.cloud.calls import open_http
from bm_sync.cloud.faults import CloudError, CloudFault, SignInError
from bm_sync.cloud.oauth import Timing
from bm_sync.cloud.tokens import Tokens
from bm_sync.errors import Exit

TOKEN = "/oauth2/token"
ALWAYS = 1000


async def signing_in(user: User, waits: Waits) -> Tokens:
    async with open_http(user.host) as http:
        device = await oauth.begin(http, user.host, waits.pace())
        waits.asked.clear()
        return await oauth.finish(http, user.host, device, Timing(waits.clock, waits.sleep))


def sign_in(user: User, waits: Waits) -> Tokens:
    return asyncio.run(signing_in(user, waits))


def at(number: int, act: Callable[[], object]) -> Callable[[int], object]:
    """Return what does `act` at the wait of that number."""
    return lambda wait: act() if wait == number else None


def strike(user: User, **fault: object) -> None:
    user.service.admin("fault", **{"server": "oauth", "path": TOKEN, **fault})


def test_the_code_is_asked_for_again_every_interval_until_somebody_agrees(user: User) -> None:
    user.service.admin("switch", interval_s=7)
    waits = Waits(then=at(3, partial(user.service.admin, "approve")))
    tokens = sign_in(user, waits)
    assert waits.asked == [7, 7, 7]
    assert tokens.access.reveal().startswith("at_")
    assert tokens.refresh is not None


def test_slow_down_makes_every_later_wait_five_seconds_longer(user: User) -> None:
    def then(number: int) -> None:
        if number == 1:
            user.service.admin("slow-down", times=2)
        elif number == 5:
            user.service.admin("approve")

    waits = Waits(then=then)
    sign_in(user, waits)
    assert waits.asked == [5, 10, 15, 15, 15]


def test_a_code_is_waited_for_no_longer_than_it_lasts(user: User) -> None:
    user.service.admin("switch", code_expires_s=18)
    waits = Waits()
    with pytest.raises(SignInError, match="the code expired"):
        sign_in(user, waits)
    assert waits.asked == [5, 5, 5]


@pytest.mark.parametrize(
    ("call", "words"), [("deny", "refused in the browser"), ("expire", "the code expired")]
)
def test_a_refusal_ends_the_wait_at_once(user: User, call: str, words: str) -> None:
    waits = Waits(then=at(1, partial(user.service.admin, call)))
    with pytest.raises(SignInError, match=words) as refused:
        sign_in(user, waits)
    assert len(waits.asked) == 1
    assert refused.value.exit is Exit.NOT_SIGNED_IN
    assert "bm-sync login --host" in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (
            {"status": 400, "body": '{"error": "bad\\nword"}'},
            CloudFault.SIGNED_OUT,
            "refused the sign-in: bad word",
        ),
        ({"status": 400, "kind": "html"}, CloudFault.INVALID, "HTTP 400"),
        ({"status": 404, "body": "{}"}, CloudFault.INVALID, "HTTP 404"),
        ({"status": 302, "location": "https://example.com"}, CloudFault.INVALID, "HTTP 302"),
        ({"status": 200, "kind": "html"}, CloudFault.GARBLED, "makes no sense"),
        ({"status": 200, "body": "[]"}, CloudFault.GARBLED, "no access_token"),
        (
            {"status": 200, "body": '{"access_token": "a\\r\\nX-Evil: 1"}'},
            CloudFault.GARBLED,
            "characters that no token has",
        ),
    ],
)
def test_an_answer_that_is_neither_yes_nor_wait_stops(
    user: User, fault: dict[str, object], kind: CloudFault, words: str
) -> None:
    strike(user, **fault)
    with pytest.raises(CloudError, match=words) as stopped:
        sign_in(user, Waits())
    assert stopped.value.fault is kind
    assert user.refreshes() == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "reset"},
        {"status": 500},
        {"status": 503, "kind": "html"},
        {"status": 429, "body": "{}"},
    ],
)
def test_what_is_lost_on_the_way_is_asked_again(user: User, fault: dict[str, object]) -> None:
    strike(user, times=2, **fault)
    waits = Waits(then=at(2, partial(user.service.admin, "approve")))
    assert sign_in(user, waits).access.reveal().startswith("at_")


def test_a_service_that_never_answers_is_given_up_when_the_code_has_ended(user: User) -> None:
    user.service.admin("switch", code_expires_s=20)
    strike(user, kind="reset", times=ALWAYS)
    with pytest.raises(SignInError, match="the code expired"):
        sign_in(user, Waits())


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"status": 503, "times": ALWAYS}, "HTTP 503"),
        ({"status": 400, "body": '{"error": "invalid_client"}'}, "invalid_client"),
        ({"status": 200, "kind": "html"}, "no device_code"),
        ({"kind": "reset", "times": ALWAYS}, "broke off"),
        ({"status": 200, "padding": (1 << 20) + 1}, "more than 1 MiB"),
    ],
)
def test_a_sign_in_that_cannot_begin_says_why(
    user: User, fault: dict[str, object], words: str
) -> None:
    strike(user, path="/oauth2/device_authorization", **fault)
    with pytest.raises(CloudError, match=words):
        sign_in(user, Waits())


@pytest.mark.parametrize(
    "page", ["javascript:alert(1)", "file:///etc/passwd", "http://example.com", "https://a b", ""]
)
def test_a_page_that_is_no_https_page_is_never_shown_or_opened(user: User, page: str) -> None:
    answer = {"device_code": "d", "user_code": "u", "verification_uri": page}
    strike(user, path="/oauth2/device_authorization", status=200, body=json.dumps(answer))
    with pytest.raises(CloudError):
        sign_in(user, Waits())


def test_a_sign_in_shows_page_and_code_and_keeps_the_tokens_to_itself(user: User) -> None:
    user.service.admin("switch", auto_approve="ada")
    said = user.run("login")
    assert said.code == 0
    (code,) = user.service.look("codes")[-1:]
    assert code["user_code"] in said.err
    assert f"{user.service.host}/device" in said.err
    kept = user.kept()
    for name in ("access_token", "refresh_token"):
        assert kept[name] not in said.out + said.err
    assert stat.S_IMODE(user.login_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(user.login_file.parent.stat().st_mode) == 0o700


def test_nothing_of_this_machine_is_sent_but_the_sign_in(user: User) -> None:
    user.signed_in()
    user.service.admin("switch", auto_approve="ada")
    user.service.admin("reset-counts")
    assert user.run("login").code == 0
    seen = user.service.look("log")
    assert [row["path"] for row in seen] == [
        "/oauth2/device_authorization",
        TOKEN,
        "/proxy/health",
    ]
    usual = {"host", "accept", "accept-encoding", "connection", "user-agent"}
    body = {"content-length", "content-type"}
    assert set().union(*(row["headers"] for row in seen)) <= usual | body


@pytest.mark.parametrize("shape", ["nested", "flat"])
def test_a_lapsed_subscription_is_signed_in_and_exits_4_with_the_link(
    user: User, shape: str
) -> None:
    user.service.admin("switch", auto_approve="ada")
    user.service.admin("subscription", active=False, shape=shape)
    said = user.run("login")
    assert said.code == Exit.NOT_SIGNED_IN
    assert "subscription required" in said.out
    assert "https://basicmemory.com/pricing" in said.out
    assert user.login_file.exists()


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_a_service_that_is_not_ready_yet_is_no_failed_login(user: User, status: int) -> None:
    user.service.admin("switch", auto_approve="ada")
    user.service.admin("fault", path="/proxy/health", status=status, times=ALWAYS)
    said = user.run("login")
    assert said.code == 0, said
    assert "not ready yet" in said.out
    assert "bm-sync cloud status" in said.out


def test_ctrl_c_leaves_nothing(user: User) -> None:
    user.service.admin("switch", interval_s=60)
    with terminal(World(user.home), "login", "--no-browser", **user.env) as screen:
        screen.until("waiting until it is confirmed")
        screen.type("\x03")
        assert screen.end() == Exit.INTERRUPTED
    assert "nothing was kept" in screen.seen
    assert not user.login_file.exists()


def test_sigterm_leaves_nothing_either(user: User) -> None:
    user.service.admin("switch", interval_s=60)
    with terminal(World(user.home), "login", "--no-browser", **user.env) as screen:
        screen.until("waiting until it is confirmed")
        screen.send(signal.SIGTERM)
        assert screen.end() == Exit.INTERRUPTED
    assert not user.login_file.exists()


def _browser(user: User) -> Path:
    """Return a browser that writes down which page it was to open."""
    user.home.mkdir(exist_ok=True)
    script = user.home / "browser"
    script.write_text(
        f'#!/bin/sh\nprintf "%s" "$1" > {user.home}/page.new\n'
        f"mv {user.home}/page.new {user.home}/page\n"
    )
    script.chmod(0o755)
    return script


@pytest.mark.parametrize("more", [(), ("--no-browser",)])
def test_a_browser_is_opened_on_a_terminal_unless_it_is_not_wanted(
    user: User, more: tuple[str, ...]
) -> None:
    user.service.admin("switch", interval_s=0.1)
    env = {**user.env, "BROWSER": str(_browser(user))}
    with terminal(World(user.home), "login", *more, **env) as screen:
        screen.until("waiting until it is confirmed")
        (code,) = user.service.look("codes")[-1:]
        wait_for(lambda: bool(more) or (user.home / "page").exists())
        user.service.admin("approve", user_code=code["user_code"])
        assert screen.end() == 0
    assert (user.home / "page").exists() is not bool(more)
    if not more:
        page = f"{user.service.host}/device?user_code={code['user_code']}"
        assert (user.home / "page").read_text() == page


def test_no_browser_is_opened_without_a_terminal(user: User) -> None:
    user.service.admin("switch", auto_approve="ada")
    assert user.run("login", BROWSER=str(_browser(user))).code == 0
    assert not (user.home / "page").exists()


def test_a_key_from_standard_input_is_kept_once_the_service_takes_it(user: User) -> None:
    key = user.service.api_key()
    said = user.run("login", "--api-key", "-", stdin=f"{key}\n")
    assert said.code == 0
    assert key not in said.out + said.err
    assert user.kept()["api_key"] == key
    assert user.account().describe().how == "api-key"


@pytest.mark.parametrize("key", ["", "\n", "two words\n", "bmc_\u00e4\n", "x" * 5000])
def test_what_is_no_key_is_refused_before_anybody_is_asked(user: User, key: str) -> None:
    assert user.run("login", "--api-key", "-", stdin=key).code in {Exit.USAGE, Exit.NOT_SIGNED_IN}
    assert not user.login_file.exists()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"status": 401}, Exit.NOT_SIGNED_IN),
        ({"status": 503}, Exit.FAILED),
        ({"kind": "html", "status": 200}, Exit.FAILED),
        ({"kind": "reset"}, Exit.FAILED),
    ],
)
def test_a_key_that_could_not_be_checked_is_not_kept_and_not_said(
    user: User, fault: dict[str, object], code: Exit
) -> None:
    user.service.admin("fault", path="/workspaces/", times=ALWAYS, **fault)
    key = user.service.api_key()
    said = user.run("login", "--api-key", "-", stdin=key)
    assert said.code == code, said
    assert key not in said.out + said.err
    assert not user.login_file.exists()


def test_a_key_on_the_command_line_is_refused_and_not_repeated(user: User) -> None:
    for words in (("--api-key", "bmc_canary"), ("--api-key=bmc_canary",)):
        said = user.run("login", *words)
        assert said.code == Exit.USAGE
        assert "canary" not in said.out + said.err


def test_a_new_sign_in_takes_the_place_of_the_old_one(user: User) -> None:
    user.signed_in()
    first = user.kept()
    user.service.admin("switch", auto_approve="ada")
    assert user.run("login").code == 0
    assert user.kept()["access_token"] != first["access_token"]
    user.login_file.write_text('{"logins": {"cut o')
    assert user.run("login").code == 0
    assert user.account().signed_in


def test_a_sign_in_elsewhere_is_kept_beside_and_used_there_only(
    user: User, service: Standin
) -> None:
    user.signed_in()
    other = service.host.replace("127.0.0.1", "localhost")
    service.admin("switch", auto_approve="grace")
    words = ("login", "--host", other, "--domain", service.host)
    assert user.run(*words).code == 0
    assert user.run(*words, "--api-key", "-").code == Exit.USAGE
    logins = json.loads(user.login_file.read_text())["logins"]
    assert set(logins) == {service.host, other}
    assert user.run("logout", "--host", other).code == 0
    assert user.account().signed_in


def test_logout_says_what_it_did_and_a_second_one_does_nothing(user: User) -> None:
    user.signed_in()
    said = user.run("logout")
    assert said.code == 0
    assert "nothing is revoked there" in said.out
    assert not user.login_file.exists()
    again = user.run("logout")
    assert again.code == 0
    assert "there was no sign-in" in again.out
    assert user.service.calls("control") == user.service.calls("oauth") == 0


def test_logout_leaves_basic_memorys_sign_in_and_says_how_it_is_ended(user: User) -> None:
    user.like_basic_memory()
    before = user.token_file.read_bytes()
    said = user.run("logout")
    assert said.code == 0
    assert "bm cloud logout" in said.out
    assert str(user.token_file) in said.out
    assert user.token_file.read_bytes() == before


def test_logout_names_a_key_in_the_environment_that_still_signs_in(user: User) -> None:
    said = user.run("logout", BASIC_MEMORY_CLOUD_API_KEY="bmc_canary")
    assert "still signed in by BASIC_MEMORY_CLOUD_API_KEY" in said.out
    assert "canary" not in said.out


def test_a_token_of_the_usual_service_is_never_made_for_another_one(user: User) -> None:
    """A manifest of somebody else may name any host, and a person may paste the hint."""
    user.service.admin("switch", auto_approve="ada")
    other = user.service.host.replace("127.0.0.1", "localhost")
    said = user.run("login", "--host", other)
    assert said.code == Exit.USAGE
    assert f"bm-sync login --host {other} --api-key -" in said.err
    assert user.service.calls("oauth") == user.service.calls("control") == 0


def test_a_key_that_is_typed_on_a_terminal_is_not_shown(user: User) -> None:
    key = user.service.api_key()
    user.home.mkdir(exist_ok=True)
    with terminal(World(user.home), "login", "--api-key", "-", **user.env) as screen:
        screen.until("API key: ")
        screen.type(f"{key}\n")
        assert screen.end() == 0
    assert key not in screen.seen
    assert user.kept()["api_key"] == key

"""The calls of the service: what they bring, and one sentence for everything that goes wrong."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from cloud_user import User, Waits, asked
from hypothesis import given
from hypothesis import strategies as st

from bm_sync.cloud import wire
from bm_sync.cloud.account import Account
from bm_sync.cloud.calls import Reply, open_http, refuses_certificate, retry_after_s
from bm_sync.cloud.choice import pick
from bm_sync.cloud.client import Cloud, CloudError, CloudFault, CloudProject, Workspace
from bm_sync.cloud.faults import SubscriptionError
from bm_sync.cloud.places import Host
from bm_sync.cloud.unanswered import unanswered
from bm_sync.errors import BmSyncError, Exit, NotSignedInError
from bm_sync.masking import MASK
from bm_sync.model.cloud import chosen, named
from bm_sync.model.config import CloudRemote
from bm_sync.model.origin import Origin

ALWAYS = 1000
HOST = Host("https://cloud.example.com", "https://auth.example.com", "c")
Do = Callable[[Cloud], Awaitable[Any]]

CALLS: dict[str, Do] = {
    "health": lambda cloud: cloud.health(),
    "workspaces": lambda cloud: cloud.workspaces(),
    "mount": lambda cloud: cloud.mount(),
    "mint": lambda cloud: cloud.mint(),
    "projects": lambda cloud: cloud.projects(),
    "create": lambda cloud: cloud.create_project(None, "new"),
    "delete": lambda cloud: cloud.delete_project(None, "b7e0ae4a-0000-4000-8000-000000000000"),
}


def get(user: User, do: Do, waits: Waits | None = None) -> Any:  # noqa: ANN401 - what the call returns
    return asyncio.run(asked(user.with_key(), do, waits))


def failing(user: User, do: Do, waits: Waits | None = None) -> CloudError:
    """Return the error of a call that must fail."""
    with pytest.raises(CloudError) as failed:
        get(user, do, waits)
    return failed.value


def rows(user: User) -> list[dict[str, Any]]:
    """Return what was asked of the control plane."""
    return [row for row in user.service.look("log") if row["server"] == "control"]


def test_workspaces_are_told_with_what_the_account_is_in_them(user: User) -> None:
    found = {w.slug: w for w in get(user, CALLS["workspaces"])}
    assert found["ada"].is_default
    assert not found["ada"].is_team
    assert (found["team"].role, found["team"].is_team) == ("editor", True)
    assert found["ada"].tenant_id == user.service.tenant("ada")


def test_the_storage_of_a_workspace_is_found_and_its_keys_are_made(user: User) -> None:
    tenant = user.service.tenant("studio")
    mount = get(user, lambda cloud: cloud.mount(tenant))
    assert mount.tenant_id == tenant
    keys = get(user, lambda cloud: cloud.mint(tenant))
    assert keys.access_key.startswith("tid_")
    assert keys.secret_key.reveal() not in repr(keys)
    assert {row["workspace"] for row in rows(user)} == {tenant}


def test_a_member_may_not_make_keys(user: User) -> None:
    tenant = user.service.tenant("team")
    error = failing(user, lambda cloud: cloud.mint(tenant))
    assert error.fault is CloudFault.FORBIDDEN
    assert "Only the owner" in error.what


@pytest.mark.parametrize("mount", ["/app/data/", "app/data/", "/", ""])
def test_projects_are_told_by_their_place_in_the_bucket(user: User, mount: str) -> None:
    user.service.admin("switch", mount_prefix=mount)
    made = get(user, lambda cloud: cloud.create_project(None, "My Notes"))
    assert (made.name, made.path) == ("My Notes", "my-notes")
    assert named(get(user, CALLS["projects"]), "my_notes") == made
    again = get(user, lambda cloud: cloud.create_project(None, "My Notes"))
    assert again.id == made.id


def test_creating_a_project_sends_its_name_and_nothing_of_this_machine(user: User) -> None:
    get(user, lambda cloud: cloud.create_project(None, "Plain"))
    (row,) = rows(user)
    usual = {"accept", "accept-encoding", "connection", "host", "user-agent"}
    assert set(row["headers"]) == usual | {"content-length", "content-type"}


def test_a_project_is_deleted_with_its_files_and_another_one_cannot_be(user: User) -> None:
    made = get(user, lambda cloud: cloud.create_project(None, "Short-lived"))
    word = get(user, lambda cloud: cloud.delete_project(None, made.id))
    assert word == "pending"
    assert rows(user)[-1]["query"] == "delete_notes=true"
    error = failing(user, CALLS["delete"])
    assert error.fault is CloudFault.MISSING


def test_the_default_project_is_refused_in_the_services_words(user: User) -> None:
    get(user, lambda cloud: cloud.create_project(None, "First"))
    (default,) = (p for p in get(user, CALLS["projects"]) if p.is_default)
    error = failing(user, lambda cloud: cloud.delete_project(None, default.id))
    assert "is the default and cannot be deleted" in error.what


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("shape", ["nested", "flat"])
def test_a_lapsed_subscription_is_told_apart_on_every_call_in_both_shapes(
    user: User, call: str, shape: str
) -> None:
    user.service.admin("subscription", active=False, shape=shape)
    error = failing(user, CALLS[call])
    assert isinstance(error, SubscriptionError)
    assert isinstance(error, NotSignedInError)
    assert error.exit is Exit.NOT_SIGNED_IN
    assert error.url == "https://basicmemory.com/pricing"


@pytest.mark.parametrize("call", CALLS)
def test_a_revoked_key_is_not_signed_in_on_every_call(user: User, call: str) -> None:
    account = user.with_key()
    user.service.admin("revoke-api-keys")
    with pytest.raises(NotSignedInError, match="BASIC_MEMORY_CLOUD_API_KEY was refused") as refused:
        asyncio.run(asked(account, CALLS[call]))
    assert "take it out and sign in with: bm-sync login" in (refused.value.hint or "")
    assert len(rows(user)) == 1


ANSWERS: list[tuple[dict[str, object], CloudFault, str]] = [
    ({"status": 403, "body": '{"detail": "not yours"}'}, CloudFault.FORBIDDEN, "not yours"),
    ({"status": 404, "body": '{"detail": "Not Found"}'}, CloudFault.MISSING, "Not Found"),
    ({"status": 409, "body": '{"detail": "is there"}'}, CloudFault.CONFLICT, "is there"),
    ({"status": 400, "body": '{"detail": {"message": "no"}}'}, CloudFault.INVALID, ": no"),
    (
        {"status": 422, "body": '{"detail": [{"loc": ["body", "name"], "msg": "too long"}]}'},
        CloudFault.INVALID,
        "name: too long",
    ),
    ({"status": 418, "kind": "html"}, CloudFault.INVALID, "HTTP 418"),
    ({"status": 429, "times": ALWAYS}, CloudFault.BUSY, "fault on demand"),
    ({"status": 500, "times": ALWAYS}, CloudFault.DOWN, "fault on demand"),
    ({"status": 503, "kind": "html", "times": ALWAYS}, CloudFault.DOWN, "HTTP 503"),
    ({"kind": "reset", "times": ALWAYS}, CloudFault.DOWN, "broke off"),
    ({"status": 200, "kind": "html"}, CloudFault.GARBLED, "no JSON"),
    ({"status": 200, "body": '{"projects": 7}'}, CloudFault.GARBLED, "no list of projects"),
    ({"status": 200, "body": "[" * 100_000}, CloudFault.GARBLED, "no JSON"),
    ({"status": 200, "padding": (1 << 20) + 1}, CloudFault.GARBLED, "more than 1 MiB"),
    (
        {"status": 302, "location": "https://evil.example.com/"},
        CloudFault.GARBLED,
        "a redirection",
    ),
]


@pytest.mark.parametrize(("fault", "kind", "words"), ANSWERS, ids=[str(a[0]) for a in ANSWERS])
def test_every_bad_answer_is_one_sentence_with_its_fault(
    user: User, fault: dict[str, object], kind: CloudFault, words: str
) -> None:
    user.service.admin("fault", **fault)
    error = failing(user, CALLS["projects"])
    assert error.fault is kind
    assert words in error.what
    assert "\n" not in error.what
    assert error.exit is Exit.FAILED


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_call_that_meets_trouble_is_sent_again(user: User, status: int) -> None:
    user.service.admin("fault", status=status, times=2)
    waits = Waits()
    assert get(user, CALLS["workspaces"], waits)
    assert len(waits.asked) == 2
    assert waits.asked[0] < waits.asked[1] + 0.25


def test_a_call_waits_as_long_as_the_service_asks(user: User) -> None:
    user.service.admin("fault", status=429, retry_after="9")
    waits = Waits()
    get(user, CALLS["workspaces"], waits)
    assert waits.asked == [9]


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        ("mint", {"kind": "reset"}),
        ("mint", {"status": 500}),
        ("mint", {"status": 504}),
        ("delete", {"kind": "reset"}),
        ("delete", {"status": 500}),
    ],
)
def test_keys_are_not_made_and_projects_not_deleted_again_when_the_answer_was_lost(
    user: User, call: str, fault: dict[str, object]
) -> None:
    user.service.admin("fault", times=ALWAYS, **fault)
    error = failing(user, CALLS[call])
    assert error.fault is CloudFault.DOWN
    assert len(rows(user)) == 1
    if fault.get("kind") == "reset":
        assert "is not known" in error.what


@pytest.mark.parametrize("status", [429, 503])
def test_keys_are_asked_for_again_when_none_were_made(user: User, status: int) -> None:
    user.service.admin("fault", status=status)
    assert get(user, CALLS["mint"]).access_key
    assert len(rows(user)) == 2


def test_a_token_that_the_service_refuses_is_renewed_once_and_the_call_repeated(
    user: User,
) -> None:
    user.signed_in()
    user.service.admin("expire-tokens")
    assert asyncio.run(asked(user.account(), CALLS["workspaces"]))
    assert user.refreshes() == 1


def test_a_service_that_refuses_every_token_is_not_asked_for_ever(user: User) -> None:
    user.signed_in()
    user.service.admin("fault", status=401, times=ALWAYS)
    with pytest.raises(NotSignedInError, match="refused the credential"):
        asyncio.run(asked(user.account(), CALLS["workspaces"]))
    assert len(rows(user)) == 2


def test_an_error_that_repeats_our_token_has_it_masked(user: User) -> None:
    account = user.with_key()
    (key,) = account.secrets()
    body = json.dumps({"detail": f"what is {key.reveal()}?"})
    user.service.admin("fault", status=400, body=body)
    with pytest.raises(CloudError) as failed:
        asyncio.run(asked(account, CALLS["projects"]))
    assert failed.value.what.endswith(f"what is {MASK}?")


def test_nobody_at_the_address_is_a_sentence(user: User) -> None:
    env = {"BASIC_MEMORY_CLOUD_HOST": "http://127.0.0.1:1"}
    account = _at("http://127.0.0.1:1", user)
    with pytest.raises(CloudError, match=r"cannot reach http://127\.0\.0\.1:1: ") as failed:
        asyncio.run(asked(account, CALLS["health"]))
    assert failed.value.fault is CloudFault.DOWN
    said = user.run("cloud", "status", **env, BASIC_MEMORY_CLOUD_API_KEY="bmc_canary")
    assert said.code == Exit.FAILED
    assert "canary" not in said.out + said.err


def test_a_server_that_speaks_no_tls_is_a_sentence(user: User) -> None:
    account = _at(user.service.host.replace("http://", "https://"), user)
    with pytest.raises(CloudError) as failed:
        asyncio.run(asked(account, CALLS["health"]))
    assert failed.value.fault is CloudFault.DOWN
    assert rows(user) == []


def test_a_certificate_that_nobody_trusts_is_not_tried_again_and_said_plainly() -> None:
    inner = ssl.SSLCertVerificationError("certificate verify failed")
    error = httpx.ConnectError("x")
    error.__cause__ = inner
    assert refuses_certificate(error)
    assert not refuses_certificate(httpx.ConnectError("x"))
    assert "is not trusted" in unanswered("cloud.example.com", error).what


def test_a_credential_cannot_be_used_at_another_host(user: User) -> None:
    with pytest.raises(ValueError, match="only to the host it was made for"):
        Cloud(HOST, user.with_key())


def test_a_client_follows_no_redirection() -> None:
    async def follows() -> bool:
        async with open_http(HOST) as http:
            return http.follow_redirects

    assert not asyncio.run(follows())


def _at(url: str, user: User) -> Account:
    env = {**user.env, "BASIC_MEMORY_CLOUD_HOST": url, "BASIC_MEMORY_CLOUD_API_KEY": "bmc_canary"}
    from bm_sync.cloud.places import host_of

    return Account.find(host_of(None, env), env, user.state)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("5", 5),
        ("0", 1),
        ("86400", 60),
        ("9" * 400, 60),
        ("Sun, 22 Nov 2026 07:15:30 GMT", 30),
        ("Sun, 22 Nov 2026 07:00:00 GMT", 1),
        ("Mon, 23 Nov 2026 07:00:00 -0000", 60),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("\u0665", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_from_a_second_to_a_minute(
    said: str, seconds: float | None
) -> None:
    now = datetime(2026, 11, 22, 7, 15, tzinfo=UTC)
    assert retry_after_s(Reply(429, {"retry-after": said}, b""), now) == seconds


@pytest.mark.parametrize(
    ("path", "prefix"),
    [
        ("/app/data/my-notes", "my-notes"),
        ("app/data/my-notes/", "my-notes"),
        ("/my-notes", "my-notes"),
        ("my-notes", "my-notes"),
        ("/team/notes", "team/notes"),
        ("/app/data/app/data", "app/data"),
    ],
)
def test_a_projects_path_becomes_its_prefix_in_the_bucket(path: str, prefix: str) -> None:
    assert wire.prefix(path) == prefix


@pytest.mark.parametrize("path", ["", "/", "/app/data/", "../x", "a/../b", "a//b", "./a", "a\0b"])
def test_a_path_that_is_none_of_a_project_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is none of a project"):
        wire.prefix(path)


@pytest.mark.parametrize("tenant", ["a\r\nX-Evil: 1", "../x", "", " ", "a" * 200, "-x"])
def test_an_id_that_could_not_stand_in_a_header_is_refused(tenant: str) -> None:
    with pytest.raises(ValueError, match="tenant_id"):
        wire.mount({"tenant_id": tenant, "bucket_name": "b"})


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["projects", "workspaces", "tenant_id", "detail", "error", "name"]),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=12,
)


@given(_JSON, st.sampled_from([200, 302, 400, 401, 403, 404, 422, 429, 500]))
def test_whatever_the_service_answers_is_a_value_or_a_sentence(said: object, status: int) -> None:
    reply = Reply(status, {}, json.dumps(said).encode())
    refused = wire.refusal(HOST, reply, "list the projects")
    if refused is not None:
        assert isinstance(refused, BmSyncError)
        assert len(refused.what) < 400
    for parse in (wire.projects, wire.workspaces, wire.mount, wire.keys, wire.created):
        try:
            parse(said)
        except ValueError as e:
            assert len(str(e)) < 400  # noqa: PT017 - either is right


def workspace(tenant: str, slug: str, name: str, *, default: bool = False) -> Workspace:
    return Workspace(tenant, "personal", slug, name, "owner", is_default=default)


def test_a_workspace_is_named_by_id_slug_or_name_and_never_guessed() -> None:
    known = (
        workspace("t1", "ada", "Notes", default=True),
        workspace("t2", "team", "Notes"),
        workspace("t3", "t1x", "The Lab"),
    )
    assert chosen(known, None) == known[0]
    assert chosen(known, "t2") == chosen(known, "team") == known[1]
    assert chosen(known, "The Lab") == chosen(known, "the-lab") == known[2]
    assert chosen(known, "Notes") is None
    assert chosen(known, "nobody") is None
    assert chosen(known[1:], None) is None
    assert chosen(known[1:2], None) == known[1]


@pytest.mark.parametrize(
    ("wanted", "what", "hint"),
    [
        ("Notes", "there is more than one workspace 'Notes'", "name one of these: ada, team"),
        ("notes", "there is more than one workspace 'notes'", "name one of these: ada, team"),
        ("taem", "there is no workspace 'taem'", "did you mean 'team'?"),
        ("zzz", "there is no workspace 'zzz'", "there are: ada, team"),
        (None, "the account has no default workspace", "there are: ada, team"),
    ],
)
def test_a_remote_that_means_no_one_workspace_is_told_what_it_may_name(
    wanted: str | None, what: str, hint: str
) -> None:
    origin = Origin("sync.yaml", 1, 1)
    remote = CloudRemote("crew", None, wanted, "auto", "https://storage.example", origin)
    with pytest.raises(CloudError) as refused:
        pick((workspace("t1", "ada", "Notes"), workspace("t2", "team", "Notes")), remote)
    assert (refused.value.what, refused.value.hint) == (f"remote 'crew': {what}", hint)


def test_a_project_is_found_in_any_spelling_and_by_its_own_first() -> None:
    known = (CloudProject("1", "my-notes", "a"), CloudProject("2", "My Notes", "b"))
    assert named(known, "My Notes") == known[1]
    assert named(known, "my_notes") == known[0]
    assert named(known, "other") is None

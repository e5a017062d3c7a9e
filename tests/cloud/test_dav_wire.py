"""WebDAV requests: waits that the service asks for, tokens that end, refusals in one sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import TypeVar

import pytest
from cloud_user import User, Waits

from bm_sync.cloud import dav_powers
from bm_sync.cloud.client import Cloud
from bm_sync.cloud.dav import Dav, Only, Upload
from bm_sync.cloud.dav_powers import Powers
from bm_sync.cloud.dav_wire import ATTEMPTS, DavError, DavFault, Wire
from bm_sync.cloud.faults import SignInError, SubscriptionError
from bm_sync.errors import BmSyncError

T = TypeVar("T")
SWITCHES: dict[str, object] = {
    "refused": {},
    "infinite_depth": True,
    "etags": "md5",
    "honours_if_match": True,
    "honours_if_none_match": True,
    "put_makes_folders": True,
}


@pytest.fixture
def ada(user: User) -> Iterator[User]:
    """Return somebody with a project of their own; every switch is as it was afterwards."""
    user.service.admin("switch", **SWITCHES)
    user.service.admin("add-project", name="My Notes", path="dav-notes")
    user.service.put("dav-notes/a.md", "text of a")
    user.service.admin("reset-counts")
    yield user
    user.service.admin("switch", **SWITCHES)
    user.service.admin("drop-project", name="My Notes", files=True)


def using(ada: User, act: Callable[[Dav], Awaitable[T]], waits: Waits | None = None) -> T:
    """Do something with ada's project."""

    async def use() -> T:
        waiting = waits or Waits()
        account = ada.account() if ada.login_file.exists() else ada.with_key()
        async with Cloud(account.host, account, waiting.pace()) as cloud:
            tenant = ada.service.tenant()
            wire = Wire(cloud, tenant, sleep=waiting.sleep, clock=waiting.clock)
            return await act(Dav(wire, "My Notes"))

    return asyncio.run(use())


def upload(text: str) -> Upload:
    async def body() -> AsyncIterator[bytes]:
        yield text.encode()

    return Upload(len(text.encode()), 1_700_000_000, body)


async def look(dav: Dav) -> int | None:
    found = await dav.look("a.md")
    return found.size if found else None


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "0"}, 1.0),
        ({"retry_after": "86400"}, 60.0),
        ({"retry_after": "soon"}, 5.0),
        ({}, 5.0),
        ({"retry_after_date_s": 86400.0}, 60.0),
        ({"retry_after_date_s": -5.0}, 1.0),
    ],
)
def test_429_is_waited_out_as_long_as_the_service_asks(
    ada: User, asked: dict[str, object], waited: float
) -> None:
    ada.service.admin("fault", server="webdav", status=429, times=2, **asked)
    waits = Waits()
    assert using(ada, look, waits) == 9
    assert waits.asked == [waited, waited]


def test_nobody_is_sent_while_the_service_asks_for_patience(ada: User) -> None:
    ada.service.admin("fault", server="webdav", status=429, retry_after="9")
    waits = Waits()

    async def several(dav: Dav) -> list[int | None]:
        return [await look(dav), *await asyncio.gather(look(dav), look(dav))]

    assert using(ada, several, waits) == [9, 9, 9]
    assert waits.asked == [9.0]
    assert ada.service.counts()["webdav"] == {"PROPFIND": 4}


def test_429_without_end_is_given_up_as_a_passing_failure(ada: User) -> None:
    ada.service.admin("fault", server="webdav", status=429, times=99, retry_after="1")
    with pytest.raises(DavError) as told:
        using(ada, look)
    assert told.value.fault is DavFault.BUSY
    assert ada.service.counts()["webdav"] == {"PROPFIND": ATTEMPTS}


def test_503_is_waited_out_only_when_it_says_how_long(ada: User) -> None:
    waits = Waits()
    ada.service.admin("fault", server="webdav", status=503, retry_after="3")
    assert using(ada, look, waits) == 9
    assert waits.asked == [3.0]
    ada.service.admin("fault", server="webdav", status=503)
    with pytest.raises(DavError) as told:
        using(ada, look)
    assert told.value.fault is DavFault.DOWN


def test_a_token_that_was_refused_is_renewed_once(ada: User) -> None:
    ada.signed_in()
    ada.service.admin("expire-tokens")
    assert using(ada, look) == 9
    assert ada.refreshes() == 1
    ada.service.admin("fault", server="webdav", status=401, times=99)
    ada.service.admin("reset-counts")
    with pytest.raises(SignInError):
        using(ada, look)
    assert ada.service.counts()["webdav"] == {"PROPFIND": 2}


def test_a_body_is_sent_anew_after_a_refusal(ada: User) -> None:
    ada.signed_in()
    ada.service.admin("expire-tokens")
    ada.service.admin("fault", server="webdav", method="PUT", status=429, retry_after="1")
    using(ada, lambda dav: dav.put("new.md", upload("whole text")))
    assert ada.service.files("dav-notes")["new.md"] == b"whole text"


@pytest.mark.parametrize("shape", ["nested", "flat"])
def test_a_lapsed_subscription_is_told_as_that(ada: User, shape: str) -> None:
    ada.service.admin("subscription", active=False, shape=shape)
    with pytest.raises(SubscriptionError) as told:
        using(ada, look)
    assert told.value.exit == 4


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (403, DavFault.FORBIDDEN),
        (404, None),
        (409, DavFault.CONFLICT),
        (302, DavFault.GARBLED),
        (412, DavFault.CHANGED),
        (422, DavFault.INVALID),
        (500, DavFault.DOWN),
        (507, DavFault.FULL),
    ],
)
def test_every_refusal_is_one_sentence_without_the_credential(
    ada: User, status: int, fault: DavFault | None
) -> None:
    ada.service.admin("fault", server="webdav", status=status, kind="html")
    if fault is None:
        assert using(ada, look) is None
        return
    with pytest.raises(DavError) as told:
        using(ada, look)
    assert told.value.fault is fault
    assert "<" not in told.value.what
    assert "bmc_" not in told.value.what


@pytest.mark.parametrize("status", [200, 207])
def test_a_page_instead_of_a_listing_makes_no_sense(ada: User, status: int) -> None:
    ada.service.admin("fault", server="webdav", status=status, kind="html")
    with pytest.raises(DavError, match="makes no sense") as told:
        using(ada, look)
    assert told.value.fault is DavFault.GARBLED


def test_a_server_that_is_not_there_is_a_passing_failure(ada: User) -> None:
    ada.service.admin("fault", server="webdav", kind="reset")
    with pytest.raises(DavError) as told:
        using(ada, look)
    assert told.value.fault is DavFault.DOWN


def test_uploads_say_their_length_their_time_and_what_they_replace(ada: User) -> None:
    using(ada, lambda dav: dav.put("b.md", upload("new"), Only(if_none=True)))
    for only in (Only(if_none=True), Only(if_match="0" * 32)):
        with pytest.raises(DavError) as told:
            using(ada, partial(_replace, only=only))
        assert told.value.fault is DavFault.CHANGED
    seen = using(ada, lambda dav: dav.look("b.md"))
    assert seen is not None
    using(ada, lambda dav: dav.put("b.md", upload("later"), Only(if_match=seen.etag)))
    assert ada.service.files("dav-notes")["b.md"] == b"later"
    puts = [one for one in ada.service.look("log") if one["method"] == "PUT"]
    assert {"Content-Length", "X-Oc-Mtime"} <= {h.title() for h in puts[0]["headers"]}


async def _replace(dav: Dav, only: Only) -> None:
    await dav.put("b.md", upload("other"), only)


@pytest.mark.parametrize("refused", [[], ["DELETE"], ["MOVE"], ["COPY"], ["MKCOL"]])
def test_what_a_server_can_do_is_found_out_and_nothing_is_left(
    ada: User, refused: list[str]
) -> None:
    ada.service.admin("switch", refused=dict.fromkeys(refused, 405))
    found = using(ada, lambda dav: dav_powers.tried(dav, "probe"))
    wanted = {name: name.upper() not in refused for name in ("delete", "mkcol", "move", "copy")}
    assert found == Powers(**wanted, if_match=True, if_none_match=True)
    assert dav_powers.known(found.as_facts()) == found
    left = [name for name in ada.service.files("dav-notes") if name != "a.md"]
    assert bool(left) == ("DELETE" in refused)
    assert all(name.startswith(".bm-sync/probes/probe") for name in left)


@pytest.mark.parametrize("name", ["if_match", "if_none_match"])
def test_a_condition_that_is_ignored_is_found_out(ada: User, name: str) -> None:
    ada.service.admin("switch", **{f"honours_{name}": False})
    found = using(ada, lambda dav: dav_powers.tried(dav, "probe"))
    assert {"if_match": found.if_match, "if_none_match": found.if_none_match} == {
        "if_match": True,
        "if_none_match": True,
        name: False,
    }


@pytest.mark.parametrize("fault", [{"kind": "reset"}, {"status": 500}, {"status": 403}])
def test_where_nothing_can_be_tried_nothing_is_known(ada: User, fault: dict[str, object]) -> None:
    ada.service.admin("fault", server="webdav", method="PUT", times=99, **fault)
    with pytest.raises(BmSyncError):
        using(ada, lambda dav: dav_powers.tried(dav, "probe"))


def test_a_listing_by_folder_finds_what_one_request_finds(ada: User) -> None:
    for path in ("b.md", "c/d.md", "c/e/f g.md", ".bm-sync/trash/x.md"):
        ada.service.put(f"dav-notes/{path}", path)
    whole = using(ada, lambda dav: dav.list_all(""))
    parts = using(ada, lambda dav: dav.list_by_folder(""))
    plain = {f for f in whole.files if not f.path.startswith(".bm-sync/")}
    assert set(parts.files) == plain
    below = using(ada, lambda dav: dav.list_by_folder("c"))
    assert {f.path for f in below.files} == {"d.md", "e/f g.md"}
    ada.service.admin("switch", infinite_depth=False)
    with pytest.raises(DavError) as told:
        using(ada, lambda dav: dav.list_all(""))
    assert told.value.fault is DavFault.FINITE
    with pytest.raises(DavError) as missing:
        using(ada, lambda dav: dav.list_by_folder("nowhere"))
    assert missing.value.fault is DavFault.MISSING

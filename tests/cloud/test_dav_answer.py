"""WebDAV listings: streamed, bounded, and never trusted beyond the folder that was asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bm_sync.cloud import dav_answer
from bm_sync.cloud.dav_answer import DavAnswer, DavResponse, GarbledAnswerError
from bm_sync.cloud.dav_places import DavFile, DavListing, address, listed, md5_of, single

BASE = "/webdav/notes"
MD5 = "0123456789abcdef0123456789ABCDEF"


def multistatus(*responses: str, head: str = "") -> bytes:
    text = "".join(responses)
    return (
        f'<?xml version="1.0"?>{head}<D:multistatus xmlns:D="DAV:">{text}</D:multistatus>'.encode()
    )


def folder(href: str) -> str:
    return response(href, "<D:resourcetype><D:collection/></D:resourcetype>")


def file(href: str, size: str = "3", etag: str = "", modified: str = "") -> str:
    told = f"<D:resourcetype/><D:getcontentlength>{size}</D:getcontentlength>"
    told += f"<D:getetag>{etag}</D:getetag>" if etag else ""
    told += f"<D:getlastmodified>{modified}</D:getlastmodified>" if modified else ""
    return response(href, told)


def response(href: str, told: str, status: str = "200 OK") -> str:
    prop = f"<D:prop>{told}</D:prop><D:status>HTTP/1.1 {status}</D:status>"
    return f"<D:response><D:href>{href}</D:href><D:propstat>{prop}</D:propstat></D:response>"


def refused(href: str, status: int) -> str:
    line = f"<D:status>HTTP/1.1 {status} No</D:status>"
    return f"<D:response><D:href>{href}</D:href>{line}</D:response>"


def told(data: bytes, step: int = 1 << 20) -> tuple[DavResponse, ...]:
    answer = DavAnswer()
    for start in range(0, len(data), step):
        answer.feed(data[start : start + step])
    return answer.told()


def listing(*responses: str, asked: str = BASE) -> DavListing:
    return listed(told(multistatus(*responses)), asked)


def test_a_listing_reads_the_same_in_whatever_pieces_it_comes() -> None:
    data = multistatus(
        folder(f"{BASE}/"),
        file(f"{BASE}/a%20b.md", "12", f'"{MD5}"', "Mon, 02 Nov 2026 07:15:00 GMT"),
        folder(f"{BASE}/daily/"),
        file(f"{BASE}/daily/%C3%A4.md", "0", 'W/"x"'),
    )
    found = {listed(told(data, step), BASE) for step in (1, 7, 64, 1 << 20)}
    assert found == {
        DavListing(
            (
                DavFile("a b.md", 12, MD5.lower(), f'"{MD5}"', 1793603700),
                DavFile("daily/ä.md", 0, None, 'W/"x"', None),
            ),
            ("daily",),
        )
    }


def test_other_prefixes_and_properties_of_another_status_change_nothing() -> None:
    data = (
        b'<multistatus xmlns="DAV:" xmlns:o="other"><response><href>/webdav/notes</href><propstat>'
        b"<prop><resourcetype><collection/></resourcetype></prop><status>HTTP/1.1 200 OK</status>"
        b"</propstat></response><response><href>/webdav/notes/a.md</href>"
        b"<propstat><prop><getetag/><o:size>9</o:size></prop>"
        b"<status>HTTP/1.1 404 Not Found</status></propstat>"
        b"<propstat><prop><getcontentlength> 4 </getcontentlength></prop>"
        b"<status>HTTP/1.1 200 OK</status></propstat></response></multistatus>"
    )
    assert listed(told(data), BASE).files == (DavFile("a.md", 4, None, None, None),)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html><body>Sign in</body></html>",
        b"<D:multistatus xmlns:D='DAV:'>",
        b'{"detail":"no"}',
        multistatus(folder(BASE))[:-20],
        multistatus(folder(BASE), head="<!DOCTYPE multistatus>"),
        multistatus(folder(BASE), head='<!DOCTYPE x [<!ENTITY a "aaaa">]>'),
        multistatus(folder(BASE), head='<!DOCTYPE x SYSTEM "file:///etc/passwd">'),
        multistatus("<D:a>" * 100 + "</D:a>" * 100),
        multistatus(file(f"{BASE}/{'a' * 20_000}")),
    ],
)
def test_what_is_no_listing_or_too_much_of_one_is_refused(data: bytes) -> None:
    with pytest.raises(GarbledAnswerError):
        told(data)


def test_a_listing_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dav_answer, "MAX_ENTRIES", 5)
    with pytest.raises(GarbledAnswerError, match="more than 5 entries"):
        told(multistatus(*(file(f"{BASE}/{n}") for n in range(6))))
    monkeypatch.setattr(dav_answer, "MAX_BYTES", 1 << 20)
    with pytest.raises(GarbledAnswerError, match="more than 1 MiB"):
        told(multistatus(*endless()), step=1 << 16)


def endless() -> Iterator[str]:
    return (" " * 1000 for _ in range(2000))


@pytest.mark.parametrize(
    "foreign", ["/webdav/other/a.md", "/webdav/notes-old/a.md", "/webdav", "/", "/elsewhere/notes"]
)
def test_a_place_outside_of_the_folder_makes_the_listing_worthless(foreign: str) -> None:
    with pytest.raises(GarbledAnswerError, match="outside"):
        listing(folder(BASE), file(f"{BASE}/a.md"), file(foreign))


def test_a_listing_without_the_folder_itself_is_worthless() -> None:
    with pytest.raises(GarbledAnswerError):
        listing()
    with pytest.raises(GarbledAnswerError):
        listing(file(f"{BASE}/a.md"), file(f"{BASE}/b.md"))


def test_a_listing_may_show_the_folder_under_the_path_of_another_server() -> None:
    inner = "http://inner.example/mount/notes"
    found = listing(folder(f"{inner}/"), file(f"{inner}/a.md"))
    assert [f.path for f in found.files] == ["a.md"]


@pytest.mark.parametrize(
    ("href", "shown"),
    [
        ("..", ".."),
        ("a/../../b.md", "a/../../b.md"),
        ("%2e%2e/b.md", "../b.md"),
        ("a%2Fb.md", "a/b.md"),
        ("a//b.md", "a//b.md"),
        ("a%00b.md", "a\0b.md"),
        ("%ff%fe.md", "\\xff\\xfe.md"),
    ],
)
def test_a_name_that_no_file_can_have_is_told_and_never_used(href: str, shown: str) -> None:
    found = listing(folder(BASE), file(f"{BASE}/{href}"), file(f"{BASE}/good.md"))
    assert [f.path for f in found.files] == ["good.md"]
    assert found.unusable == (shown,)


def test_a_name_that_stands_there_twice_and_a_file_without_a_size_are_not_used() -> None:
    found = listing(
        folder(BASE),
        file(f"{BASE}/a"),
        file(f"{BASE}/%61"),
        file(f"{BASE}/b", "much"),
        file(f"{BASE}/c"),
    )
    assert ([f.path for f in found.files], found.unusable) == (["c"], ("a", "b"))


def test_control_characters_in_a_name_are_a_name() -> None:
    found = listing(folder(BASE), file(f"{BASE}/a%09%0A%7Fb.md"))
    assert [f.path for f in found.files] == ["a\t\n\x7fb.md"]
    assert address(f"https://x{BASE}", "a\t#?%b.md") == f"https://x{BASE}/a%09%23%3F%25b.md"


def test_a_part_that_may_not_be_looked_at_is_told_and_one_that_went_is_not() -> None:
    found = listing(folder(BASE), refused(f"{BASE}/closed", 403), refused(f"{BASE}/gone", 404))
    assert (found.closed, found.files, found.unusable) == (("closed",), (), ())


@pytest.mark.parametrize("place", [BASE, f"{BASE}/more"])
def test_a_listing_that_was_cut_short_is_worthless(place: str) -> None:
    with pytest.raises(GarbledAnswerError):
        listing(folder(BASE), file(f"{BASE}/a.md"), refused(place, 507))


@pytest.mark.parametrize(
    ("etag", "md5"),
    [
        (f'"{MD5}"', MD5.lower()),
        (MD5, MD5.lower()),
        (f'W/"{MD5}"', None),
        (f'"{MD5}-2"', None),
        (f'"{MD5[:31]}"', None),
        ('"v5f-3"', None),
        ("", None),
        (None, None),
    ],
)
def test_an_etag_is_a_hash_only_when_it_is_a_plain_strong_md5(
    etag: str | None, md5: str | None
) -> None:
    assert md5_of(etag) == md5


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Mon, 02 Nov 2026 07:15:00 GMT", 1793603700),
        ("2026-11-02T07:15:00Z", 1793603700),
        ("2026-11-02T07:15:00", 1793603700),
        ("yesterday", None),
    ],
)
def test_times_are_read_in_the_forms_that_servers_write(text: str, seconds: int | None) -> None:
    found = single(told(multistatus(file(f"{BASE}/a", modified=text))), "a")
    assert found is not None
    assert found.mtime_s == seconds


def test_a_look_at_one_place_tells_a_file_or_nothing() -> None:
    assert single(told(multistatus(folder(BASE))), "a") is None
    assert single(told(multistatus(refused(BASE, 404))), "a") is None
    for answer in (refused(BASE, 403), response(BASE, "<D:resourcetype/>")):
        with pytest.raises(GarbledAnswerError):
            single(told(multistatus(answer)), "a")

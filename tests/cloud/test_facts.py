"""What is remembered of a workspace: private, whole, and no more than a memory."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from bm_sync.cloud import facts
from bm_sync.cloud.client import CloudProject, Keys
from bm_sync.cloud.facts import Facts
from bm_sync.model.config import CLOUD_STORAGE, CloudRemote, Origin
from bm_sync.secret import Secret
from bm_sync.structs import replace

HERE = CloudRemote("cloud", None, None, "auto", CLOUD_STORAGE, Origin("sync.yaml", 1))
KNOWN = Facts(
    host="https://cloud.example.com",
    workspace=None,
    account="0123456789abcdef",
    tenant_id="t-1",
    bucket="b-1",
    slug="ada",
    role="owner",
    transport="s3",
    keys=Keys("tid_1", Secret("tsec_canary")),
    projects=(CloudProject("p-1", "My Notes", "my-notes", is_default=True),),
    dav={"delete": True, "move": False},
)


def file_of(state: Path) -> Path:
    (found,) = (state / "cloud").glob("facts-*.json")
    return found


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    assert facts.read(tmp_path, HERE) is None
    for known in (KNOWN, replace(KNOWN, keys=None, transport=None, projects=(), dav={})):
        facts.write(tmp_path, HERE, known)
        assert facts.read(tmp_path, HERE) == known


def test_remotes_are_remembered_apart_by_host_and_workspace_whatever_their_name(
    tmp_path: Path,
) -> None:
    facts.write(tmp_path, HERE, KNOWN)
    assert facts.read(tmp_path, replace(HERE, name="other")) == KNOWN
    assert facts.read(tmp_path, replace(HERE, workspace="team")) is None
    assert facts.read(tmp_path, replace(HERE, host="https://other.example.com")) is None


def test_the_file_is_private_and_the_secret_shows_nowhere_else(tmp_path: Path) -> None:
    facts.write(tmp_path, HERE, KNOWN)
    assert stat.S_IMODE(file_of(tmp_path).stat().st_mode) == 0o600
    assert "canary" not in repr(KNOWN)
    assert "canary" in file_of(tmp_path).read_text()


@pytest.mark.parametrize("cut", range(0, 430, 23))
def test_a_file_that_is_cut_off_is_as_good_as_none(tmp_path: Path, cut: int) -> None:
    facts.write(tmp_path, HERE, KNOWN)
    file = file_of(tmp_path)
    text = file.read_bytes()
    assert cut < len(text)
    file.write_bytes(text[:cut])
    assert facts.read(tmp_path, HERE) is None
    facts.write(tmp_path, HERE, KNOWN)
    assert facts.read(tmp_path, HERE) == KNOWN


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"version": 1', '"version": 2'),
        ('"t-1"', "7"),
        ('"s3"', '"carrier pigeon"'),
        ('"tid_1",', ""),
        ("false", '"no"'),
        ('"my-notes"', "null"),
    ],
)
def test_a_file_with_other_values_is_as_good_as_none(tmp_path: Path, old: str, new: str) -> None:
    facts.write(tmp_path, HERE, KNOWN)
    file = file_of(tmp_path)
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    assert facts.read(tmp_path, HERE) is None


def test_forgetting_is_told_once(tmp_path: Path) -> None:
    facts.write(tmp_path, HERE, KNOWN)
    assert facts.forget(tmp_path, HERE)
    assert not facts.forget(tmp_path, HERE)
    assert facts.read(tmp_path, HERE) is None


def test_signing_out_drops_the_keys_of_that_host_and_keeps_every_pin(tmp_path: Path) -> None:
    other = replace(KNOWN, host="https://other.example.com", workspace="team")
    facts.write(tmp_path, HERE, KNOWN)
    facts.write(tmp_path, replace(HERE, workspace="team"), other)
    assert facts.drop_keys(tmp_path, KNOWN.host) == 1
    assert facts.read(tmp_path, HERE) == replace(KNOWN, keys=None)
    assert facts.read(tmp_path, replace(HERE, workspace="team")) == other


def test_who_holds_the_facts_writes_them_before_anybody_else_reads_again(tmp_path: Path) -> None:
    minted = []

    async def one(number: int) -> str:
        async with facts.held(tmp_path, HERE) as page:
            known = page.read()
            if known is None:
                minted.append(number)
                await asyncio.sleep(0)  # another task has its chance
                known = replace(KNOWN, keys=Keys(f"tid_{number}", Secret("tsec")))
                page.write(known)
            assert known.keys is not None
            return known.keys.access_key

    async def many() -> set[str]:
        return set(await asyncio.gather(*(one(number) for number in range(5))))

    assert len(asyncio.run(many())) == len(minted) == 1

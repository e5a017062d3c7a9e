"""What is bm-sync's own below a root, under every name that a file system takes for it."""

from __future__ import annotations

import pytest

from bm_sync import layout


@pytest.mark.parametrize(
    "path",
    [
        layout.HOME,
        f"{layout.HOME}/trash/run/notes/a.md",
        f"sub/{layout.HOME}/x",
        layout.HOME.upper() + "/staging/x",  # APFS, SMB
        ".bm\u200c-sync/x",  # HFS+ leaves the joiner out
        f"{layout.HOME}./x",  # Windows leaves the dot out
        f"{layout.HOME} /x",
        f"{layout.HOME}::$INDEX_ALLOCATION/x",
        f"a.md.0a1b{layout.PARTIAL}",
        f"sub.{layout.PARTIAL}/x",
    ],
)
def test_what_is_ours_is_known_under_every_name_for_it(path: str) -> None:
    assert layout.is_ours(path)


@pytest.mark.parametrize(
    "path",
    ["a.md", "bm-sync", ".bm-sync-notes/a", "x.bm-sync", "bmpart", "a.bmparts", "Ä/b.MD"],
)
def test_other_names_are_not_ours(path: str) -> None:
    assert not layout.is_ours(path)


def test_a_half_file_beside_another_is_ours() -> None:
    begin, end = layout.beside("plan")
    assert layout.is_ours(f"{begin}x7f3{end}")


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("Sync.YAML", "sync.yaml"),
        ("caf\u00e9.md", "CAFE\u0301.md"),
        ("sync\u200d.yaml", "sync.yaml"),
        ("sync.yaml. ", "sync.yaml"),
        ("sync.yaml::$DATA", "sync.yaml"),
    ],
)
def test_names_that_some_file_system_takes_for_one_fold_to_one(one: str, two: str) -> None:
    assert layout.folded(one) == layout.folded(two)


@pytest.mark.parametrize(("one", "two"), [("a.md", "b.md"), ("a", "a.md"), (" a", "a"), ("", "a")])
def test_other_names_stay_apart(one: str, two: str) -> None:
    assert layout.folded(one) != layout.folded(two)

"""What a person reads: manifests with slips, and the text that is printed for each.

To write the texts anew after a change, run with BM_SYNC_GOLDEN=write, and read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bm_sync import manifest
from bm_sync.manifest import formats

GOLDEN = Path(__file__).parents[1] / "golden/manifest"
FILES = sorted(file.name for file in GOLDEN.glob("*.yaml"))
ENV = {"HOME": "/home/ada", "GOLDEN_SECRET": "tr0ub4dor", "NOTES": "x"}


@pytest.mark.parametrize("name", FILES)
def test_a_person_reads_what_is_wrong(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A copy, so that neither the checkout's path nor its file modes show.
    (tmp_path / name).write_bytes((GOLDEN / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    try:
        found = manifest.load(Path(name), ENV, state_dir=Path("state")).warnings
    except manifest.ManifestError as e:
        found = e.diagnostics
    told = formats.text(found).replace(str(tmp_path), "/work")
    expected = (GOLDEN / name).with_suffix(".txt")
    if os.environ.get("BM_SYNC_GOLDEN") == "write":
        expected.write_text(told, "utf-8")
    assert told == expected.read_text("utf-8")


def test_every_text_belongs_to_a_manifest() -> None:
    assert sorted(file.with_suffix(".yaml").name for file in GOLDEN.glob("*.txt")) == FILES

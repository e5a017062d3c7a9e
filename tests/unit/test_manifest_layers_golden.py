"""What a person reads: manifests of several files with slips, and the text that is printed.

To write the texts anew after a change, run with BM_SYNC_GOLDEN=write, and read the difference.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from bm_sync import manifest
from bm_sync.manifest import formats
from bm_sync.model.setup import Machine

GOLDEN = Path(__file__).parents[1] / "golden/layers"
CASES = sorted(folder.name for folder in GOLDEN.iterdir())


@pytest.mark.parametrize("name", CASES)
def test_a_person_reads_what_is_wrong_and_in_which_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "work"
    shutil.copytree(GOLDEN / name, here, ignore=shutil.ignore_patterns("expected.txt"))
    for file in here.iterdir():
        file.chmod(0o644)
    monkeypatch.chdir(here)
    env, machine = {"HOME": "/home/ada"}, Machine("desk", "linux")
    with pytest.raises(manifest.ManifestError) as caught:
        manifest.load(Path("sync.yaml"), env, state_dir=Path("state"), machine=machine)
    told = formats.text(caught.value.diagnostics).replace(str(here), "/work")
    expected = GOLDEN / name / "expected.txt"
    if os.environ.get("BM_SYNC_GOLDEN") == "write":
        expected.write_text(told, "utf-8")
    assert told == expected.read_text("utf-8")

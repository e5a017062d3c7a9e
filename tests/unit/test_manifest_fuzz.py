"""Whatever stands in the file, the answer is a manifest or problems that can be shown."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bm_sync import manifest
from bm_sync.manifest import formats, show
from bm_sync.manifest.compose import compose
from bm_sync.manifest.diagnostic import Report

ROOT = Path(__file__).parents[2]
MANIFESTS = [ROOT / "sync.yaml.example", *sorted(ROOT.glob("examples/*/sync.yaml"))]
TEXTS = [
    *(file.read_text("utf-8") for file in MANIFESTS),
    *(file.read_text("utf-8") for file in sorted(ROOT.glob("tests/golden/manifest/*.yaml"))),
]
PIECES = st.sampled_from(
    [
        *"{}[]#'|>?%:,/~10\"\t\n\x00é\u202e",
        ": ",
        "- ",
        "*a",
        "&a ",
        "!x ",
        "  ",
        "<<",
        "${",
        "${HOME}",
        "$$",
        "null",
        "..",
    ]
)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """Return the text of a manifest with a few pieces put in, taken out or doubled."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        gone = draw(st.sampled_from([0, 0, 1, 2, 10, 80]))
        again = draw(st.sampled_from([0, 0, 0, 20]))
        text = text[:at] + draw(PIECES) + text[at - again : at] + text[at + gone :]
    return text


def outcome(text: str) -> str:
    """Load a manifest and return everything that could be shown of it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "sync.yaml")
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
        try:
            loaded = manifest.load(file, {"HOME": folder}, state_dir=Path(folder, "state"))
        except manifest.ManifestError as e:
            return "".join(formats.render(e.diagnostics, form) for form in formats.FORMATS)
        assert show.data(loaded.manifest)
        return show.text(loaded.manifest)


@settings(max_examples=200, deadline=None)
@given(damaged())
def test_a_damaged_manifest_is_loaded_or_refused_with_words(text: str) -> None:
    assert outcome(text)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_loaded_or_refused_with_words(data: bytes) -> None:
    assert outcome(data.decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda f: f.parent.name)
def test_without_the_parser_in_c_a_manifest_is_read_the_same(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = file.read_text("utf-8")
    with_c = compose(text, Report(file))
    monkeypatch.delattr(yaml, "CSafeLoader")
    assert compose(text, Report(file)) == with_c

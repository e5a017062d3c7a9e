"""What the documents say is true: manifests load, commands parse, links lead somewhere."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pasted import commands, refusal

import bm_sync
from bm_sync import manifest

ROOT = Path(__file__).parents[2]
PACKAGE = Path(bm_sync.__file__).parent
CODES = PACKAGE / "manifest/codes.md"
DOCUMENTS = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/*.md")})
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]

FENCE = re.compile(r"^(```+)(\w*)[^\n]*\n(.*?)^\1\s*$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(bm-sync\s[^`]+)`")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)
A_HOME = re.compile(r"(?<![\w.~$}])/(?:home|Users)/\w+|/root/\w")


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield the language and the text of every fenced block; indented lines are shell."""
    for found in FENCE.finditer(text):
        yield found[2], found[3]
    prose = FENCE.sub("", text)
    yield "sh", "\n".join(line for line in prose.splitlines() if line.startswith("    "))


def named(text: str) -> Iterator[list[str]]:
    """Yield every command of a document: in blocks of shell, in output, and in the prose."""
    for language, block in blocks(text):
        if language != "yaml":
            for line in block.splitlines():
                yield from commands(line)
    for span in INLINE.findall(FENCE.sub("", text)):
        yield from commands(" ".join(span.split()))


def manifests(text: str) -> list[str]:
    return [block for language, block in blocks(text) if "version: 1" in block.splitlines()]


def make_ignore_files(text: str, home: Path) -> None:
    """Make the files of patterns that a manifest names in the reader's home."""
    for names in re.findall(r"ignore_files: \[(.*?)\]", text):
        for name in names.split(","):
            file = home / name.strip().removeprefix("~/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("*.tmp\n")


def slug(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")


def anchors(file: Path) -> set[str]:
    prose = FENCE.sub("", file.read_text("utf-8"))
    return {slug(heading) for heading in HEADING.findall(prose)}


def is_dead(link: str, file: Path) -> bool:
    if re.match(r"[a-z]+:", link):
        return False
    path, _, anchor = link.partition("#")
    target = file.parent / path if path else file
    if not target.exists():
        return True
    return bool(anchor) and target.suffix == ".md" and anchor not in anchors(target)


def test_there_are_documents_with_manifests_and_commands() -> None:
    texts = [path.read_text("utf-8") for path in DOCUMENTS]
    assert sum(len(manifests(text)) for text in texts) >= 3
    assert sum(len(list(named(text))) for text in texts) >= 25


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_every_manifest_in_a_document_loads(document: Path, tmp_path: Path) -> None:
    for number, text in enumerate(manifests(document.read_text("utf-8"))):
        file = tmp_path / f"{number}.yaml"
        file.write_text(text, "utf-8")
        make_ignore_files(text, tmp_path / "home")
        env = {"HOME": str(tmp_path / "home")}
        loaded = manifest.load(file, env, state_dir=tmp_path / "state")
        assert loaded.manifest.projects
        assert {warning.code for warning in loaded.warnings} <= {"BMS033"}, "a secret's command"


@pytest.mark.parametrize("document", [*DOCUMENTS, CODES], ids=[*NAMES, "codes.md"])
def test_every_command_in_a_document_parses(document: Path) -> None:
    said = [refusal(words) for words in named(document.read_text("utf-8"))]
    assert [slip for slip in said if slip] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_every_link_in_a_document_leads_somewhere(document: Path) -> None:
    prose = FENCE.sub("", document.read_text("utf-8"))
    assert [link for link in LINK.findall(prose) if is_dead(link, document)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_no_document_names_a_folder_of_one_machine(document: Path) -> None:
    text = document.read_text("utf-8")
    assert A_HOME.findall(text) == []
    assert f"{ROOT}/" not in text


def test_no_source_names_the_folders_of_this_machine() -> None:
    places = {f"{place}/" for place in (ROOT, Path(sys.prefix)) if len(place.parts) > 2}
    kept = ("runner", "schemas", "tests", "examples", "benchmarks", "docs", ".ci")
    found = [ROOT / name for name in ("Makefile", "pyproject.toml", "sync.yaml.example")]
    found += [path for top in kept for path in (ROOT / top).rglob("*")]
    files = [path for path in found if path.is_file() and "__pycache__" not in path.parts]
    texts = {path: path.read_bytes() for path in files}
    assert len(texts) > 100
    wrong = [p for p, text in texts.items() if any(place.encode() in text for place in places)]
    assert wrong == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("$ bm-sync plan   # every file", [["plan"]]),
        ("NOTES=a bm-sync plan -f 'my file'", [["plan", "-f", "my file"]]),
        ("cd x && bm-sync plan", [["plan"]]),
        (
            "apply it: bm-sync plan --out t && bm-sync apply t",
            [["plan", "--out", "t"], ["apply", "t"]],
        ),
        ("1 error; bm-sync explain BMS004", [["explain", "BMS004"]]),
        ("pip install bm-sync", []),
        ("a text about bm-sync and more", []),
    ],
)
def test_the_reader_of_commands_finds_what_would_be_pasted(
    line: str, expected: list[list[str]]
) -> None:
    assert commands(line) == expected


def test_slips_in_documents_are_seen(tmp_path: Path) -> None:
    text = "See `bm-sync plam` and [this](nowhere.md#x).\n\n    bm-sync plan --al\n"
    assert [refusal(words) is None for words in named(text)] == [False, False]
    (link,) = LINK.findall(text)
    assert is_dead(link, tmp_path / "README.md")
    (tmp_path / "nowhere.md").write_text("# An x\n")
    assert is_dead(link, tmp_path / "README.md")
    assert not is_dead("nowhere.md#an-x", tmp_path / "README.md")

"""What is no manifest is refused with its place, quickly, and without much memory."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from bm_sync import manifest
from bm_sync.manifest.compose import compose, resolve
from bm_sync.manifest.diagnostic import Report
from bm_sync.manifest.nodes import Mapping, Scalar
from bm_sync.model.report import Diagnostic

HEAD = "version: 1\n"


def refused(tmp_path: Path, text: str | bytes) -> tuple[Diagnostic, ...]:
    file = tmp_path / "sync.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(manifest.ManifestError) as caught:
        manifest.load(file, {"HOME": str(tmp_path)}, state_dir=tmp_path / "state")
    return caught.value.diagnostics


def only(tmp_path: Path, text: str | bytes) -> tuple[str, int, int]:
    (found,) = refused(tmp_path, text)
    return found.code, found.line, found.column


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(manifest.ManifestError, match="this is a folder"):
        manifest.load(tmp_path, {}, state_dir=tmp_path / "state")


def test_a_name_that_cannot_be_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(manifest.ManifestError, match="cannot be read"):
        manifest.load(tmp_path / "a\0b", {}, state_dir=tmp_path / "state")
    with pytest.raises(manifest.ManifestError, match="cannot be read"):
        manifest.load(tmp_path / ("x" * 300), {}, state_dir=tmp_path / "state")


@pytest.mark.parametrize(
    "text", ["", " \n\n", "# words\n", "---\n", "null\n", "[]\n", "- a\n", "hello\n", "\ufeff"]
)
def test_a_file_that_declares_nothing_is_refused(tmp_path: Path, text: str) -> None:
    (found,) = refused(tmp_path, text)
    assert found.code == "BMS002"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_byte_order_mark_and_any_line_end_are_read(tmp_path: Path, end: str) -> None:
    text = f"version: 1{end}projects:{end}  notes: {{local: notes, remot: null}}{end}"
    assert only(tmp_path, "\ufeff" + text) == ("BMS004", 3, 25)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_line_of_bytes_that_are_no_text_is_told(tmp_path: Path, end: str) -> None:
    data = f"version: 1{end}# é{end}a: ".encode() + b"\xff\n"
    assert only(tmp_path, data) == ("BMS013", 3, 4)


@pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\x7f", "\x85", "\x9b", "\u2028"])
def test_the_place_of_a_control_character_is_told(tmp_path: Path, character: str) -> None:
    (found,) = refused(tmp_path, f"{HEAD}projects: {{}} # {character}\n")
    assert (found.code, found.line, found.column) == ("BMS013", 2, 16)
    assert f"U+{ord(character):04X}" in found.what


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("projects: {}\nvars: {a: !!python/object:os.system x}\n", (3, 11)),
        ("projects: {}\nvars: {a: !!str x}\n", (3, 11)),
        ("projects: {}\nvars: {a: !include x}\n", (3, 11)),
        ("projects: {}\nvars: {a: !!binary x}\n", (3, 11)),
        ("projects: {}\nvars: {a: ! x}\n", (3, 11)),
        ("projects: {}\nvars: {a: !!map {b: c}}\n", (3, 11)),
        ("projects: {}\nvars: {a: !!seq [b]}\n", (3, 11)),
        ("projects: {}\n--- \nversion: 1\n", (3, 1)),
        ("? [a]\n: b\n", (2, 3)),
        ("projects: {a: {<<: {}}}\n", (2, 16)),
    ],
)
def test_yaml_that_a_manifest_does_not_use_is_refused(
    tmp_path: Path, text: str, place: tuple[int, int]
) -> None:
    assert only(tmp_path, HEAD + text) == ("BMS009", *place)


def test_of_a_duplicate_key_both_lines_are_named(tmp_path: Path) -> None:
    (found,) = refused(tmp_path, HEAD + "projects: {}\nprojects: {}\n")
    assert (found.code, found.line, found.column) == ("BMS008", 3, 1)
    assert "line 2" in found.what


def test_duplicate_keys_are_told_beside_other_slips(tmp_path: Path) -> None:
    text = HEAD + "projects:\n  a: {local: x, local: y, remot: null}\n  a: {}\n"
    assert [d.code for d in refused(tmp_path, text)] == ["BMS008", "BMS004", "BMS008"]


def test_text_is_not_turned_into_something_else() -> None:
    words = ["yes", "no", "on", "off", "0o17", "017", "0x1F", "1:30", "2026-11-22", "1_000"]
    words += [".nan", ".inf", "1e", "12e03x", "~x"]
    assert [resolve(word) for word in words] == words


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ("0", 0), ("-7", -7), ("+7", 7), ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0),
    ],
)  # fmt: skip
def test_true_false_null_and_decimal_numbers_are_known(word: str, value: object) -> None:
    assert resolve(word) == value
    assert type(resolve(word)) is type(value)


def test_what_is_quoted_is_text() -> None:
    node = compose("{a: '1', b: \"true\", c: ''}", Report(Path("x")))
    assert isinstance(node, Mapping)
    values = [e.value.value for e in node.entries.values() if isinstance(e.value, Scalar)]
    assert values == ["1", "true", ""]


def test_a_few_aliases_are_put_in(tmp_path: Path) -> None:
    file = tmp_path / "sync.yaml"
    file.write_text(
        HEAD + "policies: {a: {guards: &g {max_delete: 3}}, b: {guards: *g}}\nprojects: {}\n"
    )
    loaded = manifest.load(file, {"HOME": str(tmp_path)}, state_dir=tmp_path / "state")
    assert loaded.manifest.projects == ()


def test_an_alias_without_an_anchor_is_refused(tmp_path: Path) -> None:
    (found,) = refused(tmp_path, HEAD + "projects: {}\nfilters: {a: {exclude: [ *md ]}}\n")
    assert (found.code, found.line, found.column) == ("BMS003", 3, 26)
    assert found.hint == 'quote text that begins with *, such as "*.pyc"'


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("projects:\n\tnotes: {}\n", 3, "indent with spaces, not with tabs"),
        ("projects: a: b\n", 2, "quote a value that contains ': '"),
        ("projects: {}\nx: @home\n", 3, "quote text that begins with this character"),
        ('projects: "open\n', 3, "a quote is not closed"),
        ("projects:\n  a: {}\n b: {}\n", 4, "is the line indented like its neighbours?"),
    ],
)
def test_a_slip_in_yaml_has_its_line_and_a_hint(
    tmp_path: Path, text: str, line: int, hint: str
) -> None:
    (found,) = refused(tmp_path, HEAD + text)
    assert (found.code, found.line, found.hint) == ("BMS003", line, hint)


def test_a_version_of_the_future_is_the_only_problem_told(tmp_path: Path) -> None:
    (found,) = refused(tmp_path, "version: 3\nprojekts: {}\n")
    assert found.code == "BMS012"
    assert "newer bm-sync" in str(found.hint)


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(c)}: &{chr(c)} [{','.join(['*' + chr(c - 1)] * 10)}]\n" for c in range(98, 108)
)
HOSTILE = {
    "alias bomb": BOMB,
    "many aliases": "a: &a x\nb: [" + "*a," * 200 + "]\n",
    "recursion": "a: &a [*a]\n",
    "20,000 levels of lists": "a: " + "[" * 20_000 + "]" * 20_000,
    "20,000 levels of mappings": "a: " + "{a: " * 20_000 + "}" * 20_000,
    "20,000 levels of dashes": "a:\n  " + "- " * 20_000 + "x",
    "300,000 keys": "".join(f"k{i}: 1\n" for i in range(300_000)),
    "1,500,000 items": "a: [" + "x," * 1_500_000 + "]\n",
    "4 MiB in one word": "a: " + "x" * 4_000_000,
    "4 MiB in one key": "x" * 4_000_000 + ": 1",
    "4 MiB of brackets": "a: " + "[" * 4_000_000,
    "4 MiB of braces": "a: " + "{" * 4_000_000,
    "4 MiB of quotes": "a: " + '"' * 4_000_000,
    "4 MiB of question marks": "? " * 2_000_000,
    "4 MiB of anchors": "a: [" + "&a x, " * 600_000 + "]",
    "4 MiB of comments": "#\n" * 2_000_000,
    "4 MiB of blanks": " " * 4_000_000,
    "4 MiB of variables": "vars: {a: '" + "${x}" * 1_000_000 + "'}",
    "4 MiB of defaults": "vars: {a: '" + "${x:-" * 800_000 + "'}",
    "45,000 unknown keys in a project": "projects: {p: {"
    + ",".join(f"lcal{i}: 1" for i in range(45_000))
    + "}}",
    "40 MB": "a" * 40_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_two_seconds_and_200_megabytes(
    name: str, tmp_path: Path
) -> None:
    file = tmp_path / "sync.yaml"
    file.write_text(f"version: 1\n{HOSTILE[name]}")
    program = (
        "import sys; from pathlib import Path; from bm_sync import manifest\n"
        "try: manifest.load(Path(sys.argv[1]), {}, state_dir=Path('/nowhere'))\n"
        "except manifest.ManifestError as e: sys.exit(len(str(e)) > 1000)\n"
        "sys.exit(9)"
    )

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (2, 2))
        resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))

    done = subprocess.run(
        [sys.executable, "-c", program, file],
        preexec_fn=bounded,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_variables_that_multiply_each_other_are_refused(tmp_path: Path) -> None:
    lines = ["  v0: xxxxxxxxxx"]
    lines += [f"  v{i}: " + f"${{v{i - 1}}}" * 10 for i in range(1, 12)]
    text = HEAD + "vars:\n" + "\n".join(lines) + "\nprojects: {}\n"
    assert [d.code for d in refused(tmp_path, text)] == ["BMS010"]


def test_a_long_chain_of_variables_is_refused(tmp_path: Path) -> None:
    lines = ["  v0: x"] + [f"  v{i}: ${{v{i - 1}}}" for i in range(1, 3000)]
    text = HEAD + "vars:\n" + "\n".join(reversed(lines)) + "\nprojects: {}\n"
    assert {d.code for d in refused(tmp_path, text)} == {"BMS010"}


def test_a_long_chain_of_policies_is_refused(tmp_path: Path) -> None:
    lines = ["  p0: {compare: full}"] + [f"  p{i}: {{extends: p{i - 1}}}" for i in range(1, 3000)]
    text = HEAD + "policies:\n" + "\n".join(reversed(lines)) + "\nprojects: {}\n"
    assert {d.code for d in refused(tmp_path, text)} == {"BMS010"}


def test_beyond_200_problems_the_rest_is_not_told(tmp_path: Path) -> None:
    text = HEAD + "projects:\n  p:\n" + "".join(f"    zzz{i}: 1\n" for i in range(300))
    found = refused(tmp_path, text)
    assert [d.code for d in found] == ["BMS004"] * 200 + ["BMS010"]
    assert found[-1].line == 203

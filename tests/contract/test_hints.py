"""A command that a message names exists, takes what is said, and does what the message promises."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from cli_outside import World, world
from pasted import commands, refusal

import bm_sync
from bm_sync.cli.catalogue import SUMMARIES

TOP = Path(bm_sync.__file__).parent
SOURCES = sorted(TOP.rglob("*.py"))

# What follows the name of the program where no command is meant: a verb, a version, a placeholder.
PROSE = {
    "has",
    "keeps",
    "remembers",
    "itself",
    "is",
    "sign",
    "X",
    "COMMAND",
    "by",
    "finds",
    "knows",
    "runs",
}
NAMED = re.compile(r"(?<![\w/.-])bm-sync +(?=[-\w])")


def texts(tree: ast.Module) -> Iterator[str]:
    """Yield every text of a module that is no docstring; what is filled in reads `X`."""
    parts = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            parts.add(id(node.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values
            )
        elif isinstance(node, ast.Constant) and id(node) not in parts:
            yield str(node.value)


def mentions(text: str) -> Iterator[list[str]]:
    """Yield the words after each `bm-sync`, up to the end of the phrase."""
    for line in text.splitlines():
        for phrase in NAMED.split(line)[1:]:
            words = []
            for word in phrase.split():
                words.append(word.strip("`'\"").rstrip("`'\",;:.)"))
                if word[-1] in "`,;:.)":
                    break
            yield words


def is_command(words: list[str]) -> bool:
    """Return whether the words begin with a command line that uses every option in them.

    What follows the command may be the rest of a sentence.
    """
    options = [number for number, word in enumerate(words) if word.startswith("-")]
    begin = max([1, *(number + 1 for number in options)])
    named = words if words[0] in SUMMARIES or words == ["--help"] else ["status", *words]
    begin += len(named) - len(words)
    return any(refusal(named[:end]) is None for end in range(begin, len(named) + 1))


def slips(text: str) -> list[list[str]]:
    return [
        words
        for words in mentions(text)
        if words[0] not in PROSE
        and not ((words[0] in SUMMARIES or words[0].startswith("-")) and is_command(words))
    ]


@pytest.mark.parametrize("file", SOURCES, ids=lambda p: p.relative_to(TOP).as_posix())
def test_every_command_in_a_message_of_the_sources_parses(file: Path) -> None:
    source = file.read_text("utf-8")
    if "bm-sync" in source:
        assert [words for text in texts(ast.parse(source)) for words in slips(text)] == []


def put_together(tree: ast.Module) -> Iterator[list[str]]:
    """Yield the words of each `.command("apply", ...)`; what is filled in reads `X`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            words = [
                str(each.value) if isinstance(each, ast.Constant) else "X"
                for each in node.args
                if not isinstance(each, ast.Starred)
            ]
            if node.func.attr == "command" and words:
                yield words


def test_commands_that_are_put_together_for_pasting_parse() -> None:
    found = [
        words for file in SOURCES for words in put_together(ast.parse(file.read_text("utf-8")))
    ]
    assert len(found) >= 10
    assert [slip for words in found if (slip := refusal(words))] == []


@pytest.mark.parametrize(
    "text",
    [
        "see: bm-sync valdate X",
        "bm-sync reset X --forse",
        "write one: bm-sync why",
        "give `bm-sync plan --out`, or names",
    ],
)
def test_a_wrong_command_in_a_message_is_seen(text: str) -> None:
    assert slips(text) != []


@pytest.fixture
def here(tmp_path: Path) -> World:
    return world(tmp_path)


def without_manifest(here: World) -> None:
    (here.root / "sync.yaml").unlink()


def with_slip(here: World) -> None:
    here.write("sync.yaml", "version: 1\nprojekts: {}\n")


def with_broken_plan(here: World) -> None:
    here.write("broken.plan", '{"kind": "plan", ')


def as_it_is(here: World) -> None:
    assert (here.root / "sync.yaml").is_file()


def hinted(here: World, words: str) -> str:
    """Return what a refused command line says, its placeholders filled in."""
    said = here.run(*words.split())
    assert said.code in {2, 8}
    return said.err.replace("FILE", "new.plan").replace("NAME PATH", "notes a.md")


@pytest.mark.parametrize(
    ("prepare", "words", "command"),
    [
        (without_manifest, "status", "bm-sync init"),
        (with_slip, "status", "bm-sync explain BMS004"),
        (as_it_is, "init", "bm-sync validate sync.yaml"),
        (as_it_is, "explain BMS999", "bm-sync explain"),
        (as_it_is, "history nosuch", "bm-sync history"),
        (as_it_is, "reset nosuch", "bm-sync status"),
        (as_it_is, "frobnicate", "bm-sync --help"),
        (as_it_is, "plan --zzz", "bm-sync plan --help"),
        (as_it_is, "why sync.yaml", "bm-sync why notes a.md"),
        (with_broken_plan, "apply broken.plan", "bm-sync plan --out new.plan"),
    ],
)
def test_the_command_in_a_hint_does_its_work(
    here: World, prepare: Callable[[World], None], words: str, command: str
) -> None:
    prepare(here)
    assert command in hinted(here, words)
    done = here.paste(command)
    assert (done.code, done.err) == (0, "")


def test_the_commands_in_hints_about_a_saved_plan_do_their_work(here: World) -> None:
    assert here.run("plan", "--out", "today.plan").code == 0
    hint = hinted(here, "plan today.plan")
    assert "bm-sync show today.plan, do it: bm-sync apply today.plan" in hint
    assert here.paste("bm-sync show today.plan").code == 0
    assert "bm-sync plan --out new.plan" in hinted(here, "apply today.plan notes")
    here.write("notes/a.md", "edited since\n")
    assert "bm-sync plan --out new.plan" in hinted(here, "apply today.plan")
    assert here.paste("bm-sync plan --out new.plan && bm-sync apply new.plan").code == 0


def test_every_command_on_a_screen_parses(here: World) -> None:
    """The screens with the most to say: a stop, a conflict, a failure, what is undeclared."""
    manifest = (here.root / "sync.yaml").read_text()
    assert here.run("apply").code == 0
    for name in ("a.md", "b c.md", "daily/d.md"):
        (here.root / "notes" / name).unlink()
    here.write("notes/z.md")
    here.write("work/w.md", "mine\n")
    here.write("cloud/work/w.md", "theirs, longer\n")
    here.write("plain/file")
    here.write("sync.yaml", f"{manifest}  broken: {{local: ./plain/file}}\n")
    calls = ("apply", "status", "conflicts", "history")
    screens = "".join(here.run(call).out for call in calls)
    here.write("sync.yaml", manifest.split("  notes:")[0] + "  only: {local: ./only}\n")
    screens += here.run("status").out
    found = [words for line in screens.splitlines() for words in commands(line)]
    assert {words[0] for words in found} >= {"apply", "conflicts", "history", "reset"}
    assert [slip for words in found if (slip := refusal(words))] == []


SNIPPET = re.compile(
    r"(?:write|such as|add to it:|needs) `?((?:[+-]?[a-z_]+: \S.*?|[\[{].*?[\]}]))`?"
    r"(?=$|[;.]| in place| in the policy| into |, or|, such as|, \{|\))"
)


def yaml_in(text: str) -> list[str]:
    """Return what a hint tells a person to write into the manifest, as far as it is YAML."""
    return [found[1] for line in text.splitlines() for found in SNIPPET.finditer(line)]


def is_yaml(snippet: str) -> bool:
    try:
        found = yaml.safe_load(snippet)
    except yaml.YAMLError:
        return False
    return isinstance(found, dict | list)


def test_what_a_hint_tells_to_write_is_yaml() -> None:
    found = [
        snippet
        for file in SOURCES
        for text in texts(ast.parse(file.read_text("utf-8")))
        for snippet in yaml_in(text)
    ]
    goldens = sorted((Path(__file__).parents[1] / "golden").rglob("*.txt"))
    found += [snippet for file in goldens for snippet in yaml_in(file.read_text("utf-8"))]
    assert len(found) >= 10
    assert [snippet for snippet in found if not is_yaml(snippet)] == []


@pytest.mark.parametrize(
    "text", ["write a list: [*.tmp]", "write exclude: [*.tmp]", "write {a: *}"]
)
def test_a_hint_that_is_no_yaml_is_seen(text: str) -> None:
    found = yaml_in(text.replace("a list: ", ""))
    assert found
    assert not all(map(is_yaml, found))


@pytest.mark.parametrize("pattern", ["*.tmp", "!keep.md", "&x", "a: b", "[x]", "# x", "'", '"'])
def test_the_list_that_a_hint_proposes_is_the_pattern(here: World, pattern: str) -> None:
    text = f"version: 1\nprojects: {{}}\nfilters:\n  f: {{exclude: {json.dumps(pattern)}}}\n"
    here.write("slip.yaml", text)
    said = here.run("-f", "slip.yaml", "validate").out
    (listed,) = re.findall(r"write a list: (.*)$", said, re.MULTILINE)
    assert yaml.safe_load(listed) == [pattern]

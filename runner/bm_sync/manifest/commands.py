"""Which files of this machine a command takes its orders from.

These are the programs and scripts that it names by a path, and what programs such as `make` read in
the folder that they run in. What a shell makes of a command cannot be known without running it, so
every word counts that may be a program: the first of each simple command, what follows an
interpreter, names of scripts, and files that begin with `#!`. Files are looked at, none is run.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from msgspec import Struct

from bm_sync.structs import replace

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_OPTION = re.compile(r"[-+].*|[\d.]+[smhd]?")  # of a program that runs another: `nice -n 5`
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_SIGNS = frozenset("();<>|&")
_LEADERS = frozenset(
    """
    ! { builtin chronic command do doas else env exec flock if ionice nice nohup setsid stdbuf sudo
    then time timeout until while xargs
    """.split()  # noqa: SIM905 - words are read better as text
)
_INTERPRETER = re.compile(
    r"\.|source|(?:ba|da|fi|k|z)?sh|(?:python|perl|ruby|php|lua|node|pypy)[\d.]*|deno|bun|pwsh|Rscript"
)
_SCRIPT = re.compile(r".+\.(?:sh|bash|zsh|fish|py|pl|rb|js|mjs|ts|lua|php|r)", re.IGNORECASE)
# What programs read in the folder that they run in, as far as it has fixed names (their manuals).
_NODE = ("package.json", ".npmrc", ".yarnrc", ".yarnrc.yml", ".pnpmfile.cjs", "node_modules")
_PYTHON = ("pyproject.toml", "setup.cfg", "setup.py", "tox.ini")
_COMPOSE = ("*compose.y*ml", "Dockerfile", ".dockerignore", ".env")
_READ: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("make", "gmake"), ("GNUmakefile", "Makefile")),
    **dict.fromkeys(("npm", "npx", "yarn", "pnpm"), _NODE),
    "bun": (*_NODE, "bunfig.toml"),
    "deno": ("deno.json*", "package.json"),
    "just": ("justfile", ".justfile"),
    **dict.fromkeys(("task", "go-task"), ("Taskfile*.y*ml",)),
    **dict.fromkeys(("hatch", "pdm", "pip", "poetry", "tox", "uv"), _PYTHON),
    "pytest": (*_PYTHON, "conftest.py", "pytest.ini", ".pytest.ini"),
    "nox": ("noxfile.py",),
    **dict.fromkeys(("inv", "invoke"), ("tasks.py", "invoke.y*ml")),
    "fab": ("fabfile.py", "fabfile"),
    "pre-commit": (".pre-commit-config.yaml",),
    "cargo": ("Cargo.toml", "build.rs", ".cargo"),
    "go": ("go.mod", "go.work"),
    "rake": ("Rakefile*",),
    "bundle": ("Gemfile*", ".bundle"),
    "cmake": ("CMakeLists.txt", "CMakePresets.json", "CMakeUserPresets.json"),
    "ninja": ("build.ninja",),
    "meson": ("meson.build",),
    "mvn": ("pom.xml", ".mvn"),
    "gradle": ("build.gradle*", "settings.gradle*", "gradle.properties"),
    "ant": ("build.xml",),
    **dict.fromkeys(("docker", "docker-compose", "podman", "podman-compose"), _COMPOSE),
    **dict.fromkeys(("ansible", "ansible-playbook"), ("ansible.cfg",)),
    **dict.fromkeys(("terraform", "tofu"), ("*.tf", "*.tf.json", ".terraform")),
    "vagrant": ("Vagrantfile",),
    "direnv": (".envrc",),
    "snakemake": ("Snakefile",),
    "latexmk": ("latexmkrc", ".latexmkrc"),
}
_MOST_WORDS = 500
_DEEPEST = 3


class Desk(Struct, frozen=True):
    """Where a command runs: `folders` are those that relative paths may begin in.

    `values` are variables by name; `path` is where programs without a slash are looked for.
    """

    home: Path
    folders: tuple[Path, ...]
    path: tuple[Path, ...] = ()
    values: Mapping[str, str] | None = None


class Read(NamedTuple):
    """A file that a command takes orders from; with a `pattern`, such files in the folder `path`.

    `by` is the program that reads what it needs in a folder, "" where the command names the file.
    `is_script` says that it is there and that the command runs it, as text.
    """

    path: Path
    pattern: str = ""
    by: str = ""
    is_script: bool = False


def files_run(command: str, desk: Desk, depth: int = 0) -> Iterator[Read]:
    """Yield what a command for a shell may take orders from, whether or not it is there yet."""
    words = [_put_in(word, desk) for word in _words(command)]
    known = frozenset((desk.values or {}).values())
    named = (Path(word) for word in words if word.startswith("/"))
    folders = (path for path in named if str(path) in known or _is_dir(path))
    within = replace(desk, folders=(*desk.folders, *folders))
    place = _Place()
    for before, word in zip(["", *words], words, strict=False):
        if before.startswith("-") and before.endswith("c") and " " in word and depth < _DEEPEST:
            yield from files_run(word, within, depth + 1)
        match place.of(word):
            case "program":
                for file in _program(word, within):
                    yield Read(file, is_script="/" in word and _is_script(file))
                yield from _read_by(os.path.basename(word), within, words)  # noqa: PTH119 - a text
            case "script":
                for file in _named(word, within.folders):
                    yield Read(file, is_script=_is_file(file))
            case "named like one":
                yield from map(Read, _named(word, within.folders))
            case "argument":
                yield from map(Read, filter(_is_script, _named(word, within.folders)))
            case "sign":
                pass


class _Place:
    """Tells word by word what a word is to the shell, as far as words alone tell it."""

    def __init__(self) -> None:
        self._begins = True  # the program of a simple command comes next
        self._script = False  # what an interpreter reads comes next
        self._interpreter = False  # the program is one

    def of(self, word: str) -> Literal["program", "script", "named like one", "argument", "sign"]:
        """Return what the next word is."""
        if set(word) <= _SIGNS:
            self._begins = not set(word) & set("<>")
            self._script = "<" in word and self._interpreter
            return "sign"
        if self._begins and _goes_on(word):
            return "sign"
        if self._begins or _INTERPRETER.fullmatch(os.path.basename(word)):  # noqa: PTH119 - a text
            is_program, self._begins = self._begins, False
            self._script = self._interpreter = bool(_INTERPRETER.fullmatch(Path(word).name))
            return "program" if is_program else "argument"
        text = word.startswith("-") and word[-1] in "cm"  # `sh -c TEXT`, `python -m MODULE`
        reads, self._script = self._script, self._script and word.startswith("-") and not text
        if reads:
            return "script"
        return "named like one" if _SCRIPT.fullmatch(word) else "argument"


def _words(command: str) -> Sequence[str]:
    """Return the words of a command; one that cannot be split as a shell does is cut at blanks."""
    lexer = shlex.shlex(command.replace("\n", " ; "), posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        return list(lexer)[:_MOST_WORDS]
    except ValueError:
        return command.split()[:_MOST_WORDS]


def _put_in(word: str, desk: Desk) -> str:
    """Return a word with what is known of its variables, and its home folder, put in."""
    values = {"HOME": str(desk.home), "PWD": str(desk.folders[0]), **(desk.values or {})}
    word = _VARIABLE.sub(lambda use: values.get(use[1] or use[2], use[0]), word)
    return f"{desk.home}{word[1:]}" if word == "~" or word.startswith("~/") else word


def _goes_on(word: str) -> bool:
    """Whether the program of a simple command comes behind this word."""
    return bool(_ASSIGNMENT.match(word) or _OPTION.fullmatch(word)) or word in _LEADERS


def _program(word: str, desk: Desk) -> Iterator[Path]:
    if "/" in word:
        yield from _named(word, desk.folders)
        return
    for folder in desk.path:  # a file that appears in an earlier folder would be run instead
        yield folder / word
        if os.path.exists(folder / word):  # noqa: PTH110 - a closed folder holds no program
            return


def _read_by(program: str, desk: Desk, words: Sequence[str]) -> Iterator[Read]:
    """Yield what a program reads where it runs: here, or in any folder that the command names."""
    names = _READ.get(program, ())
    if not names:
        return
    inner = [path for word in words for path in _named(word, desk.folders) if _is_dir(path)]
    for folder in dict.fromkeys((*desk.folders, *inner)):
        for name in names:
            is_glob = "*" in name
            yield Read(folder if is_glob else folder / name, name if is_glob else "", program)


def _named(word: str, folders: Iterable[Path]) -> Iterator[Path]:
    if not word or "\0" in word or word.startswith("-"):
        return
    yield from dict.fromkeys(Path(os.path.normpath(folder / word)) for folder in folders)


def _is_dir(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - a name with a NUL is no folder


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - see `_is_dir`


def _is_script(file: Path) -> bool:
    """Whether a word that may be anything names a file that is there to be run."""
    try:
        if not (_is_file(file) and os.access(file, os.X_OK)):
            return False
        with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:  # noqa: PTH123 - a descriptor
            return stream.read(2) == b"#!"
    except OSError:
        return False

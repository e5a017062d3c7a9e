"""The stable codes of everything that can be wrong with a manifest, each with a title.

A code never changes its meaning. The long explanations are in `codes.md` beside this file, one
section for each code, with an example of wrong and right.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

_TEXT = Path(__file__).with_name("codes.md")


class Code(StrEnum):
    """What can be wrong."""

    UNREADABLE = "BMS001"
    EMPTY = "BMS002"
    SYNTAX = "BMS003"
    UNKNOWN_KEY = "BMS004"
    MISSING_KEY = "BMS005"
    WRONG_TYPE = "BMS006"
    NOT_ONE_OF = "BMS007"
    DUPLICATE_KEY = "BMS008"
    YAML_FEATURE = "BMS009"
    TOO_MUCH = "BMS010"
    MALFORMED = "BMS011"
    VERSION = "BMS012"
    CHARACTERS = "BMS013"
    OUT_OF_RANGE = "BMS014"
    VARIABLE = "BMS015"
    VARIABLE_CYCLE = "BMS016"
    UNKNOWN_NAME = "BMS017"
    EXTENDS_CYCLE = "BMS018"
    SAME_NAME = "BMS019"
    REMOTE_PATH = "BMS020"
    LOCAL_PATH = "BMS021"
    LOCAL_OVERLAP = "BMS022"
    REMOTE_OVERLAP = "BMS023"
    STATE_OVERLAP = "BMS024"
    SIDES_OVERLAP = "BMS025"
    NO_SIDE = "BMS026"
    PATTERN = "BMS027"
    IGNORE_FILE = "BMS028"
    BACKEND = "BMS029"
    CONNECTION_STRING = "BMS030"
    DIRECTION = "BMS031"
    PLAIN_SECRET = "BMS032"  # noqa: S105 - a code, not a secret
    RUNS_COMMAND = "BMS033"
    HOME = "BMS034"
    WRITABLE = "BMS035"
    REFUSED = "BMS036"
    ADDRESS = "BMS037"
    ENGINE = "BMS038"
    SCHEDULE = "BMS039"
    INCLUDE = "BMS040"
    INCLUDE_CYCLE = "BMS041"
    MARKED_LIST = "BMS042"
    NOT_IN_LIST = "BMS043"
    LOCKED = "BMS044"
    FACT = "BMS050"
    NOTICE = "BMS051"
    FLEET = "BMS060"
    FROM = "BMS070"
    WAS = "BMS071"
    STATE_HOME = "BMS080"
    OPTION = "BMS090"
    OPTION_VALUE = "BMS091"
    READS_FILES = "BMS092"
    RENEWED = "BMS093"
    EXPOSED = "BMS094"


class Explanation(Struct, frozen=True):
    """What `bm-sync explain CODE` tells: Markdown with an example of wrong and right."""

    code: Code
    title: str
    text: str


def find(word: str) -> Code | None:
    """Return the code that `word` means (`BMS004`, `bms4`, `4`), None when there is none."""
    number = re.fullmatch(r"(?:bms)?([0-9]{1,3})", word.strip(), re.IGNORECASE)
    code = f"BMS{int(number[1]):03}" if number else ""
    return Code(code) if code in set(Code) else None


def explain(code: Code) -> Explanation:
    """Return the explanation of a code."""
    return next(e for e in explanations() if e.code is code)


def explanations() -> tuple[Explanation, ...]:
    """Return every explanation, in the order of the codes."""
    sections = re.split(r"^## (BMS[0-9]{3}) (.*)$", _TEXT.read_text("utf-8"), flags=re.MULTILINE)
    found = zip(sections[1::3], sections[2::3], sections[3::3], strict=True)
    return tuple(Explanation(Code(c), title.strip(), text.strip()) for c, title, text in found)

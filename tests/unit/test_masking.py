"""What is masked in a text, in which forms, and what stays readable."""

from __future__ import annotations

import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bm_sync.masking import MASK, forms, is_public, looks_secret, veil, veiled, without_secrets
from bm_sync.secret import Secret, redact

CANARY = "canary-9f3b7e21c5d84a60"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (":s3,secret_access_key=abcdef,region=x:", ":s3,secret_access_key=***,region=x:"),
        ("AccountName=a;AccountKey=abc==;X=1", "AccountName=a;AccountKey=***;X=1"),
        ("SharedAccessSignature=sv=1&sig=x%2By", "SharedAccessSignature=***&sig=***"),
        ("https://u:p@ss@host/x?sig=abc%2F&a=b", "https://u:***@host/x?sig=***&a=b"),
        ("https://u:p/ss@host", "https://u:***@host"),
        (
            "http://h/?X-Amz-Signature=0a1b&X-Amz-Date=1",
            "http://h/?X-Amz-Signature=***&X-Amz-Date=1",
        ),
        ("Authorization: Bearer abcd.efgh", "***"),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.abc", "***"),
        ("ghp_0123456789abcdefghij0123", "***"),
    ],
)
def test_what_looks_secret_is_masked_by_what_it_is(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:9000/users/ada@x",
        "secret=${NAME}",
        "the key of remote 'a' is wrong",
        "Basic Memory asks for basic authentication",
        "monkeys=3",
        "passwords are in the store",
    ],
)
def test_other_words_stay_as_they_are(text: str) -> None:
    assert without_secrets(text) == text


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        (f"https://ada:{CANARY}@dav.example", f'dial "https://ada:{quote(CANARY)}@DAV.example/"'),
        (f" HTTPS://Dav.Example/{CANARY} ", f'Propfind "https://dav.example/{CANARY}": 401'),
        (f"https://h/a b {CANARY}/", f"https://h/a%20b%20{CANARY}/"),
        (f"https://h/?t={quote('a+b/' + CANARY)}", f"query t=a+b/{CANARY}"),
        (f"AccountName=a;AccountKey={CANARY};", f"wrong signature for {CANARY}"),
        (json.dumps({"private_key": f"-----BEGIN\n{CANARY}\n-----END"}), f"bad line {CANARY}"),
        (json.dumps({"token": {"refresh_token": CANARY}}), f"grant {CANARY} refused"),
        (f"line one\n{CANARY}\n", f"no PEM: {CANARY}"),
        (f"{CANARY} with/odd+signs", f"{quote(CANARY + ' with/odd+signs', safe='')}"),
        (CANARY.upper(), CANARY),
    ],
)
def test_a_secret_is_found_in_the_forms_that_others_give_it(secret: str, said: str) -> None:
    told = redact(said, [Secret(secret)])
    assert CANARY not in told
    assert CANARY.upper() not in told
    assert MASK in told


@given(st.text(min_size=4, max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_no_secret_survives_however_it_is_written(secret: str, before: str, after: str) -> None:
    assert secret not in redact(f"{before}{secret}{after}", [Secret(secret)]) or secret in MASK


@pytest.mark.parametrize(
    "text",
    [
        "a" * 200_000,
        "a=" * 100_000,
        "://" * 60_000,
        "://a:" * 40_000,
        "eyJ-" * 50_000,
        '="' * 90_000,
    ],
)
def test_looking_for_secrets_takes_no_longer_than_reading(text: str) -> None:
    began = time.process_time()
    without_secrets(text)
    Secret(text[:60_000]).pattern.search(text)
    assert time.process_time() - began < 20, (
        "a pattern that starts anew at every character takes hours"
    )


@pytest.mark.parametrize(
    ("name", "value", "public"),
    [
        ("HOME", "/home/ada", True),
        ("NOTES", "~/notes", True),
        ("STAGE", "production", True),
        ("ENDPOINT", "https://s3.example.org:9000/", True),
        ("PORT", "9000", True),
        ("DEPLOY_TOKEN", "production", False),
        ("OTHER", CANARY, False),
        ("HOOK", "https://hooks.example/T0/secret", False),
        ("URL", "https://u:p@h", False),
    ],
)
def test_which_values_of_the_environment_may_be_shown(
    name: str, value: str, *, public: bool
) -> None:
    assert is_public(name, value) is public


def test_a_veil_shows_the_name_and_not_the_value() -> None:
    over = veil([(CANARY, "${OTHER}"), (f"{CANARY}-2", "${NEXT}"), ("abc", "${SHORT}")])
    assert veiled(f"./{CANARY}-2/{CANARY}/abc", over) == "./${NEXT}/${OTHER}/abc"


def test_names_are_told_in_any_spelling() -> None:
    assert all(map(looks_secret, ("AccountKey", "api-key", "SharedAccessSignature", "sig")))
    assert not any(map(looks_secret, ("key_file", "bearer_token_command", "monkey", "signal")))


def test_a_text_too_long_for_a_secret_is_masked_as_a_whole() -> None:
    assert forms("x" * 100_000) == ("x" * 100_000,)

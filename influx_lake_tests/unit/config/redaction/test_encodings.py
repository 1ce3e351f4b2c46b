"""A secret does not survive in any spelling that servers, libraries and Python write it in."""

from __future__ import annotations

import base64
import html
import json
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config.redaction import HIDDEN, forget, leaks, redact, redacted, remember

Spell = Callable[[str], str]


def _lower_percents(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


def _every_character(text: str) -> str:
    return "".join(f"\\u{unit:04X}" for unit in memoryview(text.encode("utf-16-le")).cast("H"))


ESCAPES: dict[str, Spell] = {
    "as it is": str,
    "address": lambda text: quote(text, safe=""),
    "path": quote,
    "form": quote_plus,
    "every byte, lower case": _lower_percents,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON as PHP writes it": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "every character of JSON": _every_character,
    "HTML": html.escape,
    "HTML with numbers": lambda text: "".join(f"&#{ord(each)};" for each in text),
    "HTML with hexadecimal numbers": lambda text: "".join(f"&#x{ord(each):X};" for each in text),
    "Python": lambda text: repr(text)[1:-1],
    "Python's bytes": lambda text: repr(text.encode())[2:-1],
    "ASCII": lambda text: ascii(text)[1:-1],
}
IN_BASE64: dict[str, Spell] = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for addresses": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 without padding": lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
    "base64 in a form": lambda text: quote(base64.b64encode(text.encode()).decode(), safe=""),
    "base64 of an escaped one": lambda text: base64.b64encode(quote_plus(text).encode()).decode(),
}
secrets = st.text(min_size=6, max_size=30).filter(str.strip) | st.text(
    st.sampled_from("aB1 %+&=\\\"'/<>\n-_~ü€😀"), min_size=6, max_size=20
)


@pytest.fixture(autouse=True)
def _nothing_known() -> None:
    forget()


@pytest.mark.parametrize("outer", ESCAPES)
@pytest.mark.parametrize("inner", ESCAPES)
def test_two_escapes_one_in_the_other(inner: str, outer: str) -> None:
    secret = "hunter2 ü€😀 \"q' <a&b>/c\\d%41+\n=end"
    remember(secret)
    spelled = ESCAPES[outer](ESCAPES[inner](secret))
    assert redact(f"({spelled})") == f"({HIDDEN})"


@given(secret=secrets, outer=st.sampled_from(sorted(ESCAPES)), inner=st.sampled_from(sorted(ESCAPES)))
def test_any_secret_in_any_two_escapes(secret: str, outer: str, inner: str) -> None:
    if any(0xD800 <= ord(each) < 0xE000 for each in secret):
        return
    forget()
    remember(secret)
    spelled = ESCAPES[outer](ESCAPES[inner](secret))
    shown = redact(f"said: [{spelled}] to all")
    assert shown == f"said: [{HIDDEN}] to all"


def test_hex() -> None:
    remember("hunter2ü")
    assert redact(f"0x{'hunter2ü'.encode().hex().upper()}") == f"0x{HIDDEN}"


@given(
    secret=secrets,
    before=st.text("abc:xyz", max_size=7),
    after=st.text("abcxyz", max_size=4),
    how=st.sampled_from(sorted(IN_BASE64)),
)
def test_any_secret_inside_what_is_in_base64(secret: str, before: str, after: str, how: str) -> None:
    if any(0xD800 <= ord(each) < 0xE000 for each in secret):
        return
    forget()
    remember(secret)
    written = IN_BASE64[how](before + secret + after)
    shown = redact(f"Authorization is {written}.")
    assert HIDDEN in shown
    left = shown.removeprefix("Authorization is ").removesuffix(".").split(HIDDEN)
    # What is left before and behind tells of nothing but what stood there.
    for part, around in ((left[0], before), (left[-1], after)):
        decoded = part.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=")
        assert len(decoded.rstrip("=")) <= len(base64.b64encode(quote_plus(around).encode()))


@given(st.text(), st.text(min_size=1))
def test_redaction_ends_and_is_done_once(text: str, secret: str) -> None:
    forget()
    remember(secret)
    once = redact(text)
    if HIDDEN not in secret and secret not in HIDDEN:
        assert redact(once) == once


@pytest.mark.parametrize(
    ("secret", "pieces", "parts"),
    [
        ("id:hunter2-hunter2", (), ["hunter2-hunter2"]),
        ("lake:hunter2 with & more", ("hunter2 with & more",), ["hunter2 with & more"]),
        ("prefix-hunter2-suffix", ("hunter2",), ["hunter2"]),
        ("postgresql://lake:hunter%402@db/lake", (), ["hunter@2", "hunter%402"]),
        ("postgresql://lake:hunt/er2@db/lake", (), ["hunt/er2"]),
        ("https://x:hunter2@catalog/rest", (), ["hunter2"]),
        ("https://hunter2token@catalog/rest", (), ["hunter2token"]),
        (
            "https://hooks.example.com/services/T0/B0/hunter2hunter2",
            (),
            ["hunter2hunter2", "/services/T0/B0/hunter2hunter2"],
        ),
        ("https://store/c?sv=2022&sig=hunter2%2Fab%3D", (), ["hunter2/ab=", "hunter2%2Fab%3D"]),
        ("Bearer hunter2hunter2", (), ["hunter2hunter2"]),
        ("Basic bGFrZTpodW50ZXIy", (), ["hunter2", "bGFrZTpodW50ZXIy"]),
        ("AccountName=a;AccountKey=hunter2==;EndpointSuffix=x", (), ["hunter2=="]),
        ('{"client_email": "a@b", "private_key": "-----BEGIN X-----\\nhunter2hunter2\\nab\\n-----END X-----"}', (),
         ["hunter2hunter2"]),
        ("-----BEGIN KEY-----\nhunter2AAAA\nhunter2BBBB\n-----END KEY-----\n", (), ["hunter2AAAA", "hunter2BBBB"]),
    ],
)  # fmt: skip
def test_the_parts_of_a_secret_are_secrets(secret: str, pieces: tuple[str, ...], parts: list[str]) -> None:
    remember(secret, pieces)
    for part in [secret, secret.strip(), *parts]:
        for spell in ESCAPES.values():
            assert "hunter2" not in redact(f"it said <{spell(part)}>")
        assert redact(f"it said <{IN_BASE64['base64'](part)}>") == f"it said <{HIDDEN}>"


def test_what_is_no_secret_stays() -> None:
    remember("postgresql://lake:hunter2@db/telemetry", ("hunter2",))
    remember("https://hooks.example.com/services/T0/B0/hunter2hunter2", ("hooks.example.com", "hunter2hunter2"))
    text = "the database telemetry on db as lake, hooks.example.com, -----BEGIN KEY-----"
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("the pw of mypwd", f"the {HIDDEN} of mypwd"),
        ("client_secret=pw&x", f"client_secret={HIDDEN}&x"),
        ("a%3Apw%26b", f"a%3A{HIDDEN}%26b"),
        ("id:pw@host", f"id:{HIDDEN}@host"),
        ("said\\npw\\n", f"said\\n{HIDDEN}\\n"),
    ],
)
def test_a_short_secret_is_a_word_of_its_own(text: str, shown: str) -> None:
    remember("pw")
    assert redact(text) == shown


@pytest.mark.parametrize("secret", ["1", "null", "true", '"', "{", "rows"])
def test_a_secret_that_is_a_part_of_json_leaves_it_json(secret: str) -> None:
    remember(secret)
    content = {"rows": 1, "text": f"said {secret} twice", "none": None, "list": [True, 1.5]}
    shown = json.loads(json.dumps(redacted(content)))
    assert shown["text"] == f"said {HIDDEN} twice"
    assert (shown["none"], shown["list"]) == (None, [True, 1.5])


@pytest.mark.parametrize(
    "text",
    [
        '{"access_token": "eyJhbGciOiJIUzI1NiJ9.hunter2"}',
        "{'refresh_token': 'hunter2hunter2'}",
        '"{\\"access_token\\":\\"hunter2hunter2\\"}"',
        "grant_type=client_credentials&client_secret=hunter2hunter2&scope=a",
        "Authorization: Bearer hunter2hunter2",
        "authorization%3A%20Bearer%20hunter2hunter2",
        "Basic " + base64.b64encode(b"me:hunter2").decode(),
        "https://b.s3.amazonaws.com/k?X-Amz-Credential=AKIAhunter2&X-Amz-Signature=hunter2hunter2&x=1",
    ],
)
def test_what_others_gave_out_is_known_by_what_stands_before_it(text: str) -> None:
    shown = redact(text)
    assert "hunter2" not in shown
    assert HIDDEN in shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "sources.default.token: is empty",
        "a bearer token is missing",
        "Basic authentication",
        "no access_token: it is empty",
    ],
)
def test_words_about_secrets_stay(text: str) -> None:
    assert redact(text) == text


def test_what_libraries_take_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "hunter2/hunter2+hunter2==")
    monkeypatch.setenv("PYICEBERG_CATALOG__LAKE__CREDENTIAL", "id:" + "hunter2" * 3)
    text = f"refused {quote('hunter2/hunter2+hunter2==', safe='')} and {'hunter2' * 3}"
    assert redact(text) == f"refused {HIDDEN} and {HIDDEN}"


def test_causes_and_notes_of_an_error_are_looked_at() -> None:
    remember("hunter2 hunter2")
    error = RuntimeError("refused")
    assert not leaks(error)
    error.add_note("sent: hunter2%20hunter2")
    assert leaks(error)


def test_long_texts_and_keys_take_no_time() -> None:
    remember("\n".join(["-----BEGIN KEY-----", *(f"{number:04}{'aB3/' * 15}" for number in range(50))]))
    remember("eyJ" + "aB3_" * 500)
    started = time.process_time()
    redact('a%20line\\nof "text" with \\\\ and & in it, aB3/aB\n' * 400)
    assert time.process_time() - started < 5

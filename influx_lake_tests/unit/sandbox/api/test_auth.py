from __future__ import annotations

import base64

import pytest

from influx_lake.sandbox.api.auth import Verdict, check, new_token


def test_tokens_are_new_and_in_the_servers_form() -> None:
    assert new_token() != new_token()
    assert new_token().startswith("apiv3_")


@pytest.mark.parametrize(
    ("header", "parameter", "verdict"),
    [
        ("Bearer t", None, Verdict.ACCEPTED),
        ("Token t", None, Verdict.ACCEPTED),
        (f"Basic {base64.b64encode(b'user:t').decode()}", None, Verdict.ACCEPTED),
        (f"Basic {base64.b64encode(b'user').decode()}", None, Verdict.REFUSED),
        ("Bearer x", None, Verdict.REFUSED),
        ("Bearer ", None, Verdict.REFUSED),
        (None, None, Verdict.REFUSED),
        ("t", None, Verdict.MALFORMED),
        ("", None, Verdict.MALFORMED),
        ("BEARER t", None, Verdict.MALFORMED),
        ("Bearer t t", None, Verdict.MALFORMED),
        ("Basic ü", None, Verdict.MALFORMED),
        (None, "t", Verdict.ACCEPTED),
        ("Bearer t", "x", Verdict.REFUSED),
    ],
)
def test_credentials(header: str | None, parameter: str | None, verdict: Verdict) -> None:
    assert check("t", header, parameter) is verdict


def test_no_token_asks_for_nothing() -> None:
    assert check(None, None) is Verdict.ACCEPTED

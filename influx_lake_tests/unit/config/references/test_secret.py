from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config import InfluxDB3Config, Secret, leaks, redact
from influx_lake.config.references.secret import HIDDEN
from influx_lake.config.report.diagnostics import ConfigurationProblems
from influx_lake.errors import ConfigurationError

TOKEN = "apiv3_hunter2-hunter2"


def test_a_literal_is_never_shown() -> None:
    secret = Secret(TOKEN)
    assert secret.reveal() == TOKEN
    for shown in (str(secret), repr(secret), f"{secret}", f"{secret!r}", f"{[secret]}"):
        assert TOKEN not in shown
        assert HIDDEN in shown


@pytest.mark.parametrize("text", ["${UNSET:-" + TOKEN + "}", "Bearer ${SET}", TOKEN + "${SET}"])
def test_a_text_that_holds_a_part_of_the_value_is_never_shown(text: str) -> None:
    assert str(Secret(text)) == HIDDEN
    assert Secret(text).is_literal


def test_a_reference_is_shown() -> None:
    assert str(Secret("${INFLUXDB3_TOKEN:-${file:token}}")) == "${INFLUXDB3_TOKEN:-${file:token}}"


def test_a_reference_leads_to_the_value(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("A_TOKEN", TOKEN)
    secret = Secret("${A_TOKEN}", root=tmp_path)
    assert secret.reference == "${A_TOKEN}"
    assert Secret(secret.reference, root=tmp_path).reveal() == TOKEN


def test_a_value_is_read_when_it_is_used(tmp_path: Path) -> None:
    secret = Secret("${file:token}", root=tmp_path, location=("sources", "default", "token"))
    with pytest.raises(ConfigurationError, match=r"sources\.default\.token: .*token cannot be read: No such file"):
        secret.reveal()
    (tmp_path / "token").write_text("first\n")
    assert secret.reveal() == "first"
    (tmp_path / "token").write_text("second\n")
    assert secret.reveal() == "second"


@pytest.mark.parametrize(("content", "message"), [(b" \n", "is empty"), (b"\xff\xfe", "UTF-8")])
def test_a_file_that_holds_no_value(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(ConfigurationError, match=message):
        Secret("${file:token}", root=tmp_path).reveal()


def test_a_literal_in_a_lake_is_referred_to(tmp_path: Path) -> None:
    lake = tmp_path / "a b#c}.yaml"
    lake.write_text(f"sources: {{my-db: {{token: {TOKEN}}}}}\ncatalog: {{s3.secret-access-key: '{TOKEN}2'}}\n")
    token = Secret(TOKEN, root=tmp_path, lake=lake, location=("sources", "my-db", "token"))
    assert TOKEN not in token.reference
    assert Secret(token.reference, root=Path("/")).reveal() == TOKEN
    key = Secret(f"{TOKEN}2", root=tmp_path, lake=lake, location=("catalog", "s3.secret-access-key"))
    assert Secret(key.reference, root=Path("/")).reveal() == f"{TOKEN}2"


def test_a_lake_that_no_longer_holds_the_value(tmp_path: Path) -> None:
    lake = tmp_path / "lake.yaml"
    reference = Secret(TOKEN, lake=lake, location=("sources", "default", "token")).reference
    with pytest.raises(ConfigurationProblems, match="cannot be read"):
        Secret(reference, root=tmp_path).reveal()
    lake.write_text("sources: {}\n")
    with pytest.raises(ConfigurationError, match=r"no longer says anything at sources\.default\.token"):
        Secret(reference, root=tmp_path).reveal()


def test_a_lake_cannot_refer_to_itself(tmp_path: Path) -> None:
    lake = tmp_path / "lake.yaml"
    reference = Secret(TOKEN, lake=lake, location=("catalog", "token")).reference
    lake.write_text(f"catalog: {{token: '{reference}'}}\n")
    with pytest.raises(ConfigurationError, match="not a reference that is known"):
        Secret(reference, root=tmp_path).reveal()


def test_a_value_from_elsewhere_has_no_reference() -> None:
    with pytest.raises(ConfigurationError, match="Give a reference") as caught:
        _ = Secret(TOKEN).reference
    assert TOKEN not in str(caught.value)


def test_redaction_takes_every_spelling_out() -> None:
    value = 'p"w/ä hunter2'
    Secret(value).reveal()
    text = f"{value} {quote(value, safe='')} {json.dumps({'token': value})} rest"
    assert "hunter2" not in redact(text)
    assert redact(text).endswith("rest")


def test_redaction_takes_a_password_out_of_an_address() -> None:
    Secret("postgresql://lake:hunter%402@db/lake").reveal()
    assert redact("for user lake with hunter@2 or hunter%402") == f"for user lake with {HIDDEN} or {HIDDEN}"


def test_a_short_secret_does_not_garble_words() -> None:
    Secret("db").reveal()
    assert redact("the db of mydbs") == f"the {HIDDEN} of mydbs"


def test_a_secret_inside_another_leaves_nothing() -> None:
    Secret("hunter2").reveal()
    Secret("hunter2-the-long").reveal()
    assert redact("x hunter2-the-long y") == f"x {HIDDEN} y"


def test_nothing_revealed_nothing_changed() -> None:
    Secret(TOKEN)
    assert redact(TOKEN) == TOKEN


@given(st.text(min_size=1), st.text(), st.text())
def test_no_revealed_secret_of_some_length_survives(value: str, before: str, after: str) -> None:
    value += "hunter2"
    try:
        secret = Secret(value)
    except ValueError:
        return
    if secret.is_literal and "${" not in value:
        secret.reveal()
        assert value not in redact(before + value + after)


def test_leaks_looks_at_causes_too() -> None:
    Secret(TOKEN).reveal()
    error = RuntimeError("no secret here")
    assert not leaks(error)
    error.__cause__ = ValueError(f"refused {TOKEN}")
    assert leaks(error)


def test_secrets_are_values() -> None:
    one, same, other = Secret("${A}"), Secret("${A}"), Secret("${B}")
    assert one == same
    assert len({one, same, other}) == 2
    assert copy.deepcopy(one) == one
    assert pickle.loads(pickle.dumps(one)) == one


def test_a_model_never_shows_a_token() -> None:
    config = InfluxDB3Config(host="http://h", database="d", token=Secret(TOKEN))
    assert TOKEN not in repr(config)
    assert TOKEN not in config.model_dump_json()
    with pytest.raises(ValueError, match="host") as caught:
        InfluxDB3Config.model_validate({"host": "", "database": "d", "token": TOKEN, "x": TOKEN, "tls": TOKEN})
    assert TOKEN not in str(caught.value)


def test_a_model_takes_references_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", TOKEN)
    config = InfluxDB3Config.model_validate({"host": "h", "database": "d", "token": "${A_TOKEN}"})
    assert config.token is not None
    assert config.token.reveal() == TOKEN


def test_an_optional_secret_may_be_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNSET", raising=False)
    assert Secret("${UNSET:-}").reveal() == ""
    assert redact("text") == "text"

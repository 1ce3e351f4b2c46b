from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from influx_lake.config import InfluxDB3Config
from influx_lake.config.values.address import Address
from influx_lake.errors import ConfigurationError


def config(**options: Any) -> InfluxDB3Config:
    return InfluxDB3Config.model_validate({"host": "https://h", "database": "d", **options})


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("http://127.0.0.1:8181", "http://127.0.0.1:8181"),
        ("http://h/", "http://h:8181"),
        ("https://h", "https://h:443"),
        ("HTTPS://h:1", "https://h:1"),
        ("127.0.0.1", "http://127.0.0.1:8181"),
        ("localhost:9000", "http://localhost:9000"),
        ("influx.example.com", "https://influx.example.com:443"),
        ("influx.example.com:8181", "https://influx.example.com:8181"),
        ("::1", "http://[::1]:8181"),
        ("[::1]:9000", "http://[::1]:9000"),
        ("http://[2001:db8::1]", "http://[2001:db8::1]:8181"),
        ("2001:db8::1", "https://[2001:db8::1]:443"),
    ],
)
def test_hosts(host: str, url: str) -> None:
    assert config(host=host).address.url == url


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        "ftp://h",
        "http://",
        "http://h:0",
        "h:99999",
        "h:port",
        "h/path",
        "http://h?x=1",
        "a b",
        "[::1",
        "fe80::1%eth0",
    ],
)
def test_not_hosts(host: str) -> None:
    with pytest.raises(ValidationError):
        config(host=host)


def test_a_password_in_a_host_is_not_repeated() -> None:
    with pytest.raises(ValidationError, match="use `token`") as caught:
        config(host="http://lake:hunter2@h")
    assert "hunter2" not in str(caught.value)


@given(st.text())
def test_any_host_is_complete_or_refused(text: str) -> None:
    try:
        address = Address.parse(text)
    except ConfigurationError:
        return
    assert Address.parse(address.url) == address


def test_defaults_suit_a_first_run() -> None:
    defaults = config()
    assert (defaults.type, defaults.token, defaults.query_port) == ("influxdb3", None, None)
    assert defaults.timeout == timedelta(minutes=5)
    assert defaults.connect_timeout == timedelta(seconds=10)
    assert defaults.tls.verify
    assert config(tls=None).tls == defaults.tls


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"type": "influxdb2"}, "influxdb3"),
        ({"database": ""}, "at least 1"),
        ({"query_port": 0}, "greater than or equal to 1"),
        ({"timeout": "0s"}, "no time at all"),
        ({"connect_timeout": "-1s"}, "not a length of time"),
        ({"org": "x"}, "not permitted"),
        ({"tls": {"cert_file": "c.pem"}}, "belong together"),
        ({"tls": {"verify": False, "ca_file": "c.pem"}}, "neither ca_file nor cert_file"),
        ({"host": "http://h", "tls": {"ca_file": "c.pem"}}, "tls has no effect"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config(**options)


def test_files_are_below_the_lake(tmp_path: Path) -> None:
    data = {"host": "https://h", "database": "d", "tls": {"ca_file": "certs/ca.pem"}}
    loaded = InfluxDB3Config.model_validate(data, context={"root": tmp_path})
    assert loaded.tls.ca_file == tmp_path / "certs" / "ca.pem"
    absolute = {**data, "tls": {"ca_file": "/etc/ca.pem"}}
    assert InfluxDB3Config.model_validate(absolute, context={"root": tmp_path}).tls.ca_file == Path("/etc/ca.pem")


def test_every_secret_of_a_source_is_kept_closed() -> None:
    """A secret that interpolation does not know would be resolved at load, and shown in snapshots."""
    from influx_lake.config.connections import SOURCE_TYPES
    from influx_lake.config.lake.deferred_values import is_deferred

    secrets = {name for model in SOURCE_TYPES.values() for name in model.secret_options()}
    assert secrets
    assert all(is_deferred(("sources", "default", name)) for name in secrets)
    assert is_deferred(("sources", "default", "storage", "s3.secret-access-key"))
    assert is_deferred(("sources", "default", "server", "token"))
    assert not is_deferred(("sources", "default", "storage", "s3.endpoint"))

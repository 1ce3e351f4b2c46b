"""The sections `openlineage` and `metrics`."""

from __future__ import annotations

from pathlib import Path

import pytest

from influx_lake.config import load_lake
from influx_lake.config.observation.openlineage import OpenLineageOptions
from influx_lake.config.redaction import redact
from influx_lake.errors import ConfigurationError

LAKE = "sources: {{default: {{host: 'http://localhost:8181', database: telemetry}}}}\nopenlineage: {section}\n"


def options(folder: Path, section: str) -> OpenLineageOptions:
    path = folder / "lake.yaml"
    path.write_text(LAKE.format(section=section))
    found = load_lake(path).openlineage
    assert found is not None
    return found


def test_the_client_gets_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAGE_KEY", "12345678")
    section = (
        "{transport: {type: http, url: 'https://marquez.example.com', timeout: 2.5, verify: false,"
        " retry: {total: 3}, auth: {type: api_key, apiKey: '${LINEAGE_KEY}'}}}"
    )
    found = options(tmp_path, section)
    assert "12345678" not in repr(found)
    assert found.client_config(tmp_path)["transport"] == {
        "type": "http",
        "url": "https://marquez.example.com",
        "timeout": 2.5,
        "verify": False,
        "retry": {"total": 3},
        "auth": {"type": "api_key", "apiKey": "12345678"},
    }
    # What is no secret is not taken out of other texts.
    assert redact("http 2.5 3 12345678") == "http 2.5 3 **********"


def test_a_file_is_below_the_lake(tmp_path: Path) -> None:
    found = options(tmp_path, "{transport: {type: file, log_file_path: events.jsonl, append: true}}")
    assert found.client_config(tmp_path)["transport"] == {
        "type": "file",
        "log_file_path": str(tmp_path / "events.jsonl"),
        "append": True,
    }


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("{namespace: plant}", "transport"),
        ("{transport: {url: 'https://marquez.example.com'}}", "needs a `type`"),
        ("{transport: {type: htp, url: 'https://marquez.example.com'}}", "did you mean http"),
        ("{transport: {type: http}}", "needs `url`"),
        ("{transport: {type: http, url: marquez}}", "is not the address of a web server"),
        ("{transport: {type: kafka, topic: lineage}}", "needs `config`"),
        ("{transport: {type: file}}", "needs `log_file_path`"),
    ],
)
def test_mistakes(tmp_path: Path, section: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        options(tmp_path, section)
    assert told in str(caught.value)


def test_metrics_are_handed_to_somebody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lake.yaml"
    source = LAKE.partition("openlineage")[0].format()
    for section, told in (
        ("{every: 1m}", "nobody would get them"),
        ("{push: pushgateway}", "is not the address of a Pushgateway"),
        ("{text_file: a.prom, every: 1s}", "every"),
    ):
        path.write_text(f"{source}metrics: {section}\n")
        with pytest.raises(ConfigurationError, match=told):
            load_lake(path)
    monkeypatch.setenv("GATEWAY", "http://lake:sesame@pushgateway:9091")
    path.write_text(f"{source}metrics: {{push: '${{GATEWAY}}', text_file: a.prom}}\n")
    found = load_lake(path).metrics
    assert found is not None
    assert found.path(tmp_path) == tmp_path / "a.prom"
    assert "sesame" not in repr(found)
    monkeypatch.setattr("influx_lake.config.lake.packages.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'influx-lake\[metrics\]'"):
        load_lake(path)


def test_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("influx_lake.config.lake.packages.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'influx-lake\[openlineage\]'"):
        options(tmp_path, "{transport: {type: console}}")

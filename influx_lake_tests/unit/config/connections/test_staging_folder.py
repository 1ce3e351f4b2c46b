from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from influx_lake.config import LandingZoneConfig, LineProtocolConfig

ROOT = Path("/lake")


def config(path: str, staging: str) -> LandingZoneConfig | LineProtocolConfig:
    entry: dict[str, Any] = {"path": f"{ROOT}/{path}", "database": "d", "staging": f"{ROOT}/{staging}"}
    if "{" in path:
        return LandingZoneConfig.model_validate({"type": "landing_zone", **entry})
    return LineProtocolConfig.model_validate({"type": "line_protocol", **entry})


@pytest.mark.parametrize(
    ("path", "staging"),
    [
        ("z/{year}/{month}", "z"),
        ("z/{year}/{month}", "z/apart"),
        ("z/{year}/{month}", "z/2026"),
        ("e/*", "e"),
        ("e/**/*.lp", "e/apart"),
        ("e", "e"),
        ("e", "e/apart"),
    ],
)
def test_what_is_taken_apart_is_not_kept_among_the_files(path: str, staging: str) -> None:
    with pytest.raises(ValidationError, match="lies where the files of `path` are") as refused:
        config(path, staging)
    assert refused.value.errors()[0]["loc"] == ("staging",)


@pytest.mark.parametrize(
    ("path", "staging"),
    [
        ("z/{year}/{month}", ".lake/staging"),
        ("{year}/{month}", ".lake/staging"),
        ("z/{year}", "zz"),
        ("*.lp", "staging"),
        ("**/*.lp", ".lake/staging"),
        ("e/a.lp", "e"),
        ("e", "_staging"),
        ("e", "e/_staging"),
    ],
)
def test_elsewhere_it_may_be_kept(path: str, staging: str) -> None:
    assert config(path, staging).staging == ROOT / staging

"""A folder with a lake.yaml in it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from influx_lake.config import ConfigurationProblems, Lake, load_lake, redaction

LakeWriter = Callable[..., Path]
SOURCES = "sources: {default: {host: http://127.0.0.1:8181, database: telemetry}}\n"


@pytest.fixture(autouse=True)
def _nothing_revealed() -> None:
    """Each test starts with no secret known to `redact`."""
    redaction.forget()


@pytest.fixture
def write_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LakeWriter:
    """Write a lake.yaml into the test's folder, which is the current one."""
    monkeypatch.chdir(tmp_path)

    def write(text: str, name: str = "lake.yaml", *, sources: bool = False) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((SOURCES if sources else "") + textwrap.dedent(text), encoding="utf-8")
        return path

    return write


@pytest.fixture
def lake_of(write_lake: LakeWriter) -> Callable[[str], Lake]:
    """Load a lake.yaml with one source and the given sections."""
    return lambda text: load_lake(write_lake(text, sources=True))


@pytest.fixture
def mistakes_of(write_lake: LakeWriter) -> Callable[..., list[str]]:
    """The mistakes of a lake.yaml, as they are shown."""

    def mistakes(text: str, *, sources: bool = True) -> list[str]:
        with pytest.raises(ConfigurationProblems) as caught:
            load_lake(write_lake(text, sources=sources))
        assert caught.value.exit_code == 2
        return [str(problem) for problem in caught.value.problems]

    return mistakes

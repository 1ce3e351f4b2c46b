"""Credentials that expire: when others are asked for, and what happens where there are none."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.io.pyarrow import PyArrowFileIO

from influx_lake.iceberg.storage.vended_credentials import VendedFileIO, are_vended


class Store(PyArrowFileIO):
    """Local files under credentials that hold for some seconds, by number."""

    def __init__(self, number: int, lifetime: float, *, is_told: bool = True) -> None:
        ends = {"s3.session-token-expires-at-ms": str(int((time.time() + lifetime) * 1000))}
        super().__init__({"s3.session-token": str(number), **(ends if is_told else {})})
        self.number, self.ends = number, time.time() + lifetime

    def new_output(self, location: str) -> Any:
        if time.time() >= self.ends:
            raise OSError("AWS Error UNKNOWN (HTTP status 400): ExpiredToken")
        return super().new_output(location)


def store(lifetimes: list[float], *, is_told: bool = True) -> VendedFileIO:
    numbers = iter(enumerate(lifetimes))

    def vend() -> Store:
        number, lifetime = next(numbers)
        if not lifetime:
            raise ConnectionError("the catalog is away")
        return Store(number, lifetime, is_told=is_told)

    return VendedFileIO(vend(), vend)


def test_which_are_vended() -> None:
    assert are_vended({"s3.session-token": "x"})
    assert are_vended({"adls.sas-token.account.dfs.core.windows.net": "x"})
    assert are_vended({"gcs.oauth2.token": "x"})
    assert not are_vended({"s3.access-key-id": "x", "gcs.oauth2.token-expires-at": "1"})


def test_others_are_asked_for_when_half_of_their_life_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    files = store([100, 100])
    now = time.time()
    seen = []
    for later in (10, 49, 51, 99):
        monkeypatch.setattr(time, "time", lambda later=later: now + later)
        seen.append(files.fresh().number)
    assert seen == [0, 0, 1, 1]


def test_those_that_hold_do_while_the_catalog_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    files = store([100, 0, 0])
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 60)
    assert files.fresh().number == 0
    monkeypatch.setattr(time, "time", lambda: now + 110)
    with pytest.raises(ConnectionError):
        files.fresh()


@pytest.mark.parametrize("is_told", [True, False])
def test_a_file_is_finished_under_others_than_it_was_begun_with(
    is_told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = store([10, 1000], is_told=is_told)
    now = time.time()
    with files.new_output(f"{tmp_path}/a.parquet").create() as stream:
        stream.write(b"one ")
        monkeypatch.setattr(time, "time", lambda: now + 20)
        stream.write(b"two")
        assert not (tmp_path / "a.parquet").exists()
    assert (tmp_path / "a.parquet").read_bytes() == b"one two"
    assert files.fresh().number == 1


def test_a_file_that_is_given_up_is_not_uploaded(tmp_path: Path) -> None:
    def load() -> None:
        with store([100]).new_output(f"{tmp_path}/a").create() as stream:
            stream.write(b"one")
            raise ValueError("the rows do not fit")

    with pytest.raises(ValueError, match="the rows do not fit"):
        load()
    assert not (tmp_path / "a").exists()


def test_a_missing_file_is_no_matter_of_credentials(tmp_path: Path) -> None:
    files = store([100])
    with pytest.raises(FileNotFoundError):
        files.new_input(f"{tmp_path}/nowhere").open()
    assert not files.new_input(f"{tmp_path}/nowhere").exists()

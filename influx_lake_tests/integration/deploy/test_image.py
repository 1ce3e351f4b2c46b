"""The steps of the Dockerfile, run in a plain Debian: what comes out is small, and works as a user without rights."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from influx_lake_tests.e2e.dagster_site import REPOSITORY
from influx_lake_tests.integration.deploy.image import Stage, built, plain_root, size_of

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

LIMIT = 600_000_000
SLIM = 80_000_000
"""What the base image takes; a plain root has the packages' lists and documentation besides."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.skip("making a root file system needs root and debootstrap")
    folder = tmp_path_factory.mktemp("base")
    yield plain_root(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def image(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stages")
    yield built(REPOSITORY / "Dockerfile", REPOSITORY, {"debian:bookworm-slim": base}, folder)
    shutil.rmtree(folder)


def test_it_is_small(image: Stage, base: Path) -> None:
    assert size_of(image.root) - size_of(base) + SLIM < LIMIT


def test_a_lake_is_checked_in_it(image: Stage) -> None:
    lake = image.root / "lake" / "lake.yaml"
    lake.write_text(
        'sources: {default: {host: "http://127.0.0.1:9", database: plant}}\nmeasurements: {cpu: {}}\n', encoding="utf-8"
    )
    checked = image.run("influx-lake", "check")
    # All but the source, which is not there.
    assert checked.returncode == 1
    assert [line for line in checked.stdout.splitlines() if line.startswith("✗")] == [
        line for line in checked.stdout.splitlines() if "source default" in line
    ]
    assert "1 of 15 checks failed" in checked.stdout


def test_nobody_is_root_in_it(image: Stage) -> None:
    assert image.run("id", "-u").stdout == "1000\n"
    assert image.run("touch", "/opt/influx_lake/any").returncode != 0
    assert image.run("which", "gcc", "pip", "strip").stdout == ""


@pytest.mark.parametrize("program", ["dagster", "dagster-webserver", "dagster-daemon", "dagster-celery", "influx-lake"])
def test_what_deployments_start_is_there(image: Stage, program: str) -> None:
    assert image.run(program, "--help").returncode == 0


def test_its_own_command_is_healthy(image: Stage) -> None:
    assert image.command[:3] == ("dagster", "api", "grpc")
    assert image.health[-1] == image.command[image.command.index("--port") + 1]

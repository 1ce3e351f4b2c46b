"""The statements of docs/query answer what the points say, and open the files that they must and no others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from influx_lake_tests.integration.query.engines import ENGINES, Engine, engine
from influx_lake_tests.integration.query.page import Block, blocks, table
from influx_lake_tests.integration.query.page_lake import ANSWERS, HOSTS, Answer, PageLake, page_lake
from influx_lake_tests.integration.query.type_tables import TYPED, values_seen

TITLES = {
    "spark": "Spark",
    "duckdb": "DuckDB",
    "polars": "Polars",
    "pandas": "pandas",
    "clickhouse": "ClickHouse",
    "trino": "Trino",
}
pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageLake]:
    with page_lake(tmp_path_factory.mktemp("pages")) as lake:
        yield lake


@pytest.fixture(scope="module", params=ENGINES)
def reader(
    request: pytest.FixtureRequest, lake: PageLake, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Engine]]:
    with engine(request.param, lake, tmp_path_factory.mktemp(request.param)) as started:
        yield request.param, started


def telling(found: Answer) -> Answer:
    """Rows of which each time is a moment, whatever the engine makes of it."""
    return [tuple(map(_telling, row)) for row in found]


def _telling(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return value if isinstance(value, str) else pytest.approx(float(value))


def test_every_statement_of_a_page_answers_what_the_points_say(reader: tuple[str, Engine]) -> None:
    page, engine = reader
    found = {heading: engine.answer(blocks(page)[heading]) for heading in ANSWERS}
    for heading, expected in ANSWERS.items():
        assert telling(found[heading]) == telling(expected()), heading


def test_one_host_of_one_day_is_one_file(lake: PageLake, reader: tuple[str, Engine]) -> None:
    page, engine = reader
    assert len(list(lake.table().scan().plan_files())) == 40
    assert engine.files_opened(blocks(page)["Prune by time and tag"]) == 1


def test_types_are_called_as_their_page_says(lake: PageLake, reader: tuple[str, Engine]) -> None:
    name, engine = reader
    expected = table("types", 0)[TITLES[name]]
    seen: defaultdict[str, set[str]] = defaultdict(set)
    for of in TYPED:
        types = engine.types(of)
        # What is required is not `Nullable`; of the long table only the map is new.
        fields = [field for field in lake.table(of).schema().fields if field.name == "time" or not field.required]
        for field in fields:
            if of != "all_metrics" or field.name == "tags":
                seen[str(field.field_type)].add(types[field.name])
    assert {kind: seen[kind] for kind in expected} == {kind: {cell} for kind, cell in expected.items()}


def test_values_are_what_their_page_says(lake: PageLake, reader: tuple[str, Engine]) -> None:
    name, engine = reader
    if not lake.catalog.table_exists("telemetry.by_vector"):
        pytest.skip("Spark, which makes the tables and comes first, is not installed or was left out")
    assert values_seen(engine) == table("types", 1)[TITLES[name]]


@pytest.mark.parametrize("reader", ["duckdb"], indirect=True)
def test_duckdb_reads_the_tables_of_every_catalog(reader: tuple[str, Engine]) -> None:
    _, engine = reader
    assert telling(engine.answer(blocks("duckdb")["Other catalogs"])) == telling(ANSWERS["Query"]())


@pytest.mark.parametrize("reader", ["trino"], indirect=True)
def test_trino_runs_what_was_written_for_athena_and_grafana(reader: tuple[str, Engine]) -> None:
    _, trino = reader
    athena, grafana = blocks("athena"), blocks("grafana")
    for heading, expected in ANSWERS.items():
        assert telling(trino.answer(athena[heading])) == telling(expected()), heading
    assert trino.files_opened(athena["Prune by time and tag"]) == 1
    for heading in ("Prune by time and tag", "Downsample"):
        assert telling(trino.answer(_of_the_day(grafana[heading]))) == telling(ANSWERS[heading]()), heading
    assert trino.files_opened(_of_the_day(grafana["Prune by time and tag"])) == 1
    assert trino.answer(_of_the_day(grafana["A variable"])) == [(host,) for host in HOSTS]


def _of_the_day(panel: list[Block]) -> list[Block]:
    """Queries of Grafana, with the range of a dashboard in the place of the macro."""
    day = "time between timestamp '2026-01-05 00:00:00' and timestamp '2026-01-05 23:59:59.999'"
    return [Block(block.language, block.text.replace("$__timeFilter(time)", day)) for block in panel]


@pytest.mark.parametrize("reader", ["trino"], indirect=True)
@pytest.mark.parametrize(
    "day", ["date(time) = date '2026-01-05'", "date_trunc('day', time) = timestamp '2026-01-05 UTC'"]
)
def test_trino_takes_a_day_for_a_range(reader: tuple[str, Engine], day: str) -> None:
    _, trino = reader
    assert trino.files_opened([Block("sql", f"select count(*) from cpu where host = 'web-3' and {day}")]) == 1

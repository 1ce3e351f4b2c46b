from __future__ import annotations

import pytest

from influx_lake.sandbox.faults import Faults
from influx_lake.sandbox.storage.ingest import Limits
from influx_lake.sandbox.storage.store import (
    BadDatabaseName,
    DatabaseExists,
    DatabaseNotFound,
    EmptyWrite,
    Store,
    TableNotFound,
    TooMany,
    WriteRejected,
    check_database_name,
)


@pytest.fixture
def store() -> Store:
    return Store(None, Faults())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "db name cannot be empty"),
        ("?this_is_fine", "db name did not start with a number or letter"),
        ("_internal", "db name did not start with a number or letter"),
        ("ünal", "db name did not start with a number or letter"),
        (
            "this#_is_fine",
            "invalid character in database or rp name: must be ASCII, "
            "containing only letters, numbers, underscores, or hyphens",
        ),
    ],
)
def test_bad_database_names(name: str, message: str) -> None:
    with pytest.raises(BadDatabaseName) as caught:
        check_database_name(name)
    assert str(caught.value) == message


def test_good_database_names() -> None:
    for name in ("a", "9lives", "telemetry-2_x"):
        check_database_name(name)


def test_a_partial_write_keeps_the_good_lines(store: Store) -> None:
    with pytest.raises(WriteRejected, match="line 2, 'm v='") as caught:
        store.write("db", "m v=1 1\nm v=\nm v=3 3")
    assert caught.value.partial
    assert store.database("db").tables["m"].rows == 2


def test_a_strict_write_keeps_nothing(store: Store) -> None:
    with pytest.raises(WriteRejected) as caught:
        store.write("db", "m v=1 1\nm v=\n", accept_partial=False)
    assert not caught.value.partial
    assert store.database("db").tables == {}


def test_an_empty_write_is_refused(store: Store) -> None:
    with pytest.raises(EmptyWrite, match="incoming write was empty"):
        store.write("db", "\n# nothing\n")


def test_databases_come_and_go(store: Store) -> None:
    store.create_database("one")
    with pytest.raises(DatabaseExists):
        store.create_database("one")
    store.write("two", "m v=1 1")
    assert store.database_names() == ["one", "two"]
    store.drop_database("two")
    with pytest.raises(DatabaseNotFound, match="database not found: two"):
        store.database("two")
    with pytest.raises(DatabaseNotFound):
        store.drop_database("two")


def test_measurements_go(store: Store) -> None:
    store.write("db", "m v=1 1\nn v=1 1")
    store.drop_table("db", "m")
    kept, n = sorted(store.database("db").tables)
    assert (kept[:2], n) == ("m-", "n")
    assert store.database("db").tables[kept].rows == 1
    store.drop_table("db", kept)
    assert sorted(store.database("db").tables) == ["n"]
    with pytest.raises(TableNotFound):
        store.drop_table("db", "m")
    store.write("db", 'm v="another type" 1')
    assert store.database("db").tables["m"].rows == 1


def test_limits() -> None:
    store = Store(None, Faults(), Limits(tables=1))
    with pytest.raises(WriteRejected, match="exceed number of tables limit"):
        store.write("db", "a v=1\nb v=1")
    for number in range(99):
        store.create_database(f"db{number}")
    with pytest.raises(TooMany, match="Adding a new database would exceed limit of 100 databases"):
        store.write("more", "a v=1")

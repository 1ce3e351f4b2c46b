"""Casts DuckDB types that Arrow, Parquet or Python cannot represent to DuckDB's text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from influx_lake.sql_quoting import identifier

if TYPE_CHECKING:
    import duckdb
    from duckdb.sqltypes import DuckDBPyType

_AS_TEXT = frozenset({"interval", "bit", "bignum", "time with time zone", "union"})


def exact(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """A relation with its columns cast to types that Arrow represents exactly."""
    columns = enumerate(zip(relation.columns, relation.types, strict=True), 1)
    return relation.project(
        ", ".join(f"{_value(number, kind)} AS {identifier(name)}" for number, (name, kind) in columns)
    )


def is_lossy(kind: DuckDBPyType) -> bool:
    """Whether values of a type, or nested ones, cannot be represented in Arrow."""
    return kind.id in _AS_TEXT or any(is_lossy(each) for _, each in _children(kind))


def _value(number: int, kind: DuckDBPyType) -> str:
    return f"CAST(#{number} AS {_type(kind)})" if is_lossy(kind) else f"#{number}"


def _type(kind: DuckDBPyType) -> str:
    if not is_lossy(kind):
        return str(kind)
    children = _children(kind)
    if kind.id in _AS_TEXT or not all(name for name, _ in children):
        return "VARCHAR"
    types = [_type(each) for _, each in children]
    if kind.id == "struct":
        fields = (f"{identifier(name)} {each}" for (name, _), each in zip(children, types, strict=True))
        return f"STRUCT({', '.join(fields)})"
    return f"MAP({', '.join(types)})" if kind.id == "map" else f"{types[0]}[]"


def _children(kind: DuckDBPyType) -> list[tuple[str, DuckDBPyType]]:
    from duckdb.sqltypes import DuckDBPyType

    if kind.id not in {"list", "array", "struct", "map"}:
        return []
    # The children of an array type include its size, an integer.
    return [(name, each) for name, each in kind.children if isinstance(each, DuckDBPyType)]

"""SQL conditions, as far as they can be judged without the rows they are for."""

from __future__ import annotations

from importlib.util import find_spec


def check_condition(condition: str) -> str:
    """Let DuckDB parse the condition, where it is installed; columns are known only when rows are there.

    Raises:
        ValueError: The text is not one expression.
    """
    if find_spec("duckdb") is None:
        return condition
    import duckdb

    try:
        duckdb.SQLExpression(condition)
    except duckdb.Error as error:
        reason = str(error).partition("\n")[0].rpartition("Error: ")[2]
        raise ValueError(f"is not a SQL condition: {reason}") from None
    return condition

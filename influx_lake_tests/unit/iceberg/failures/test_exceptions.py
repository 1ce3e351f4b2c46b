"""Which side an error comes from is read from the frames of its traceback."""

from __future__ import annotations

import pytest

from influx_lake.iceberg.catalogs import sql_catalog
from influx_lake.iceberg.failures.exceptions import RaisedBy, raised_by

RAISING = "def fail():\n    raise ValueError('any')\n"


@pytest.mark.parametrize(
    ("module", "side"),
    [
        ("pyiceberg.catalog.rest", RaisedBy.CATALOG),
        (sql_catalog.__name__, RaisedBy.CATALOG),
        ("pyiceberg.io.pyarrow", RaisedBy.STORE),
        ("influx_lake.sources.http.client", RaisedBy.OTHER),
    ],
)
def test_the_module_that_was_entered_last_decides(module: str, side: RaisedBy) -> None:
    found: dict[str, object] = {"__name__": module}
    exec(RAISING, found)
    with pytest.raises(ValueError, match="any") as raised:
        found["fail"]()  # type: ignore[operator]
    assert raised_by(raised.value) is side

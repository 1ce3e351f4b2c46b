"""The check `outliers`: whether row counts and means of a window deviate from those of earlier windows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.checks.outcome import SHOWN, Figure, Outcome, listed
from influx_lake.checks.subject import Subject
from influx_lake.config.values.windows import Window
from influx_lake.errors import ConfigurationError
from influx_lake.iceberg.scan.reader import arrow_schema, read_windows
from influx_lake.iceberg.scan.row_counts import count_by_window

FEWEST = 5
"""The fewest earlier windows that a window is compared with."""
MEANS = "means"
"""The name of the figure with the windows' means, which later checks read."""
_NORMAL = 1.4826
"""The factor from median absolute deviation to standard deviation of a normal distribution."""
_LEAST = 0.05


@dataclass(frozen=True, slots=True)
class _Outlier:
    window: Window
    figure: str
    value: float
    usual: float

    def __str__(self) -> str:
        return f"{self.window}: {self.figure} {self.value:,.6g}, usually {self.usual:,.6g}"


def outliers(subject: Subject) -> Outcome:
    """Compare each window's row count, and the means of named columns, with those of earlier windows.

    Row counts come from the table's metadata, the means of earlier windows from earlier checks.
    """
    if subject.table is None or not subject.windows:
        return Outcome(True, "nothing is loaded yet")
    options = subject.measurement.checks.outliers
    whole = [window for window in subject.windows if subject.measurement.scheme.window_at(window.start) == window]
    before = {window: subject.before(window, options.windows) for window in whole}
    everything = sorted({*whole, *(each for windows in before.values() for each in windows)})
    rows = dict(
        zip(everything, count_by_window(subject.table, everything, subject.measurement.time_column), strict=True)
    )
    means = {window: _means(subject, window, options.columns) for window in whole} if options.columns else {}
    earlier = {**(subject.known_means() if options.columns else {}), **means}
    found: list[_Outlier] = []
    compared = 0
    for window in whole:
        others = [float(rows[each]) for each in before[window]]
        compared += len(others) >= FEWEST
        found += _unusual(window, "rows", rows[window], others, options.threshold)
        for column, mean in means.get(window, {}).items():
            others = [earlier[each][column] for each in before[window] if column in earlier.get(each, {})]
            found += _unusual(window, f"mean of {column}", mean, others, options.threshold)
    return _outcome(found, whole, compared, rows, means)


def _outcome(
    found: Sequence[_Outlier],
    whole: Sequence[Window],
    compared: int,
    rows: Mapping[Window, int],
    means: Mapping[Window, Mapping[str, float]],
) -> Outcome:
    figures: dict[str, Figure] = {"windows": len(whole), "compared": compared, "outliers": len(found)}
    if whole:
        figures["rows"] = rows[whole[-1]]
    if means:
        figures[MEANS] = {str(window): dict(of) for window, of in means.items()}
        figures |= {f"mean: {column}": mean for column, mean in means[whole[-1]].items()}
    if not found:
        few = f"; fewer than {FEWEST} windows are there to compare with" if not compared else ""
        return Outcome(True, f"{len(whole)} windows are like those before them{few}", figures)
    examples = [
        {"window": str(each.window), "what": each.figure, "value": each.value, "usual": each.usual} for each in found
    ]
    figures["examples"] = pa.Table.from_pylist(examples[:SHOWN])
    return Outcome(False, f"unlike the windows before: {listed(found)}", figures)


def _unusual(
    window: Window, figure: str, value: float, others: Sequence[float], threshold: float
) -> Iterator[_Outlier]:
    if len(others) < FEWEST:
        return
    middle = median(others)
    deviation = _NORMAL * median(abs(other - middle) for other in others)
    if abs(value - middle) > threshold * max(deviation, _LEAST * abs(middle)):
        yield _Outlier(window, figure, value, middle)


def _means(subject: Subject, window: Window, columns: Sequence[str]) -> dict[str, float]:
    table = subject.table
    assert table is not None
    schema = arrow_schema(table.schema())
    for name in columns:
        if name not in schema.names or not (
            pa.types.is_integer(schema.field(name).type) or pa.types.is_floating(schema.field(name).type)
        ):
            raise ConfigurationError(
                f"checks.outliers.columns names {name}, which is not a numeric column of the table",
                remedy="Name columns of integers or doubles",
            )
    sums, counts = dict.fromkeys(columns, 0.0), dict.fromkeys(columns, 0)
    for batch in read_windows(table, [window], subject.measurement.time_column, list(columns)):
        for name in columns:
            sums[name] += pc.sum(batch.column(name).cast(pa.float64())).as_py() or 0.0
            counts[name] += len(batch) - batch.column(name).null_count
    return {name: sums[name] / counts[name] for name in columns if counts[name]}

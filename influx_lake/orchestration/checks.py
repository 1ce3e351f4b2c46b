"""What is looked at after a measurement was loaded."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from influx_lake.config import Measurement, OnTypeConflict
from influx_lake.orchestration.assets import asset_key, safe_name
from influx_lake.orchestration.failures import failing_clearly
from influx_lake.orchestration.resources import CATALOG_KEY

if TYPE_CHECKING:
    from pyiceberg.table import Table

QUARANTINE_CHECK = "nothing_in_quarantine"
_REASONS_FROM_ROWS = 10_000


def measurement_checks(measurement: Measurement) -> list[dg.AssetChecksDefinition]:
    """The checks of a measurement's asset: those that its options give something to look at."""
    quarantines = measurement.types.on_type_conflict is OnTypeConflict.QUARANTINE
    return [_quarantine_check(measurement)] if quarantines else []


def _quarantine_check(measurement: Measurement) -> dg.AssetChecksDefinition:
    spec = dg.AssetCheckSpec(
        QUARANTINE_CHECK,
        asset=asset_key(measurement),
        description="Rows whose values have another type than the table's column wait in a table of their own.",
    )

    @dg.multi_asset_check(
        name=safe_name(f"{'__'.join(measurement.identifier)}__{QUARANTINE_CHECK}"),
        specs=[spec],
        required_resource_keys={CATALOG_KEY},
    )
    def check(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        from influx_lake.iceberg.quarantine import SUFFIX
        from influx_lake.iceberg.reader import find_table
        from influx_lake.replication.status import total_rows

        with failing_clearly(measurement.name):
            catalog = getattr(context.resources, CATALOG_KEY).open()
            table = find_table(catalog, (*measurement.namespace, measurement.table + SUFFIX))
            rows = total_rows(table) if table else 0
            yield dg.AssetCheckResult(
                passed=rows == 0,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"{rows:,} rows in {measurement.table_name}{SUFFIX}" if rows else None,
                metadata={
                    "rows": dg.MetadataValue.int(rows),
                    **({"reasons": _reasons(table)} if table and rows else {}),
                },
            )

    return check


def _reasons(table: "Table") -> dg.MarkdownMetadataValue:
    """Why rows are there, the most frequent reason first."""
    found = table.scan(selected_fields=("reason",), limit=_REASONS_FROM_ROWS).to_arrow().column("reason").to_pylist()
    counted = Counter(found).most_common(10)
    return dg.MetadataValue.md("\n".join(f"- {reason} ({count:,} rows)" for reason, count in counted))

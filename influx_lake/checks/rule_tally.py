"""Counts the rows that break a rule, with examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from influx_lake.config import ValueRule

_EXAMPLES_PER_RULE = 3


@dataclass(slots=True)
class RuleTally:
    """The number of rows that break a rule.

    Attributes:
        rows: The number of rows.
        examples: The first few.
    """

    rule: ValueRule
    rows: int = 0
    examples: list[dict[str, object]] = field(default_factory=list)

    def add(self, batch: pa.RecordBatch, failing: pa.Array, shown: Sequence[str]) -> None:
        """Count the failing rows of a batch."""
        broken = batch.filter(failing)
        self.rows += len(broken)
        missing = _EXAMPLES_PER_RULE - len(self.examples)
        if missing > 0 and len(broken):
            rows = broken.select([name for name in shown if name in batch.schema.names]).slice(0, missing)
            self.examples += [{"rule": self.rule.title, **row} for row in rows.to_pylist()]

"""Read-only commands that report on the lake: status, cost, docs, metrics."""

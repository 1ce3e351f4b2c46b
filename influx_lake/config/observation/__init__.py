"""Options of observers: lineage events, metrics, costs."""

"""Windows that the lake is proved to have, deleted at their source: which may be, and how that is done."""

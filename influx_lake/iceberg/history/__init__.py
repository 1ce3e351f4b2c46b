"""A table's snapshots, branches and tags: what it was, what it is to be, and what only some readers see."""

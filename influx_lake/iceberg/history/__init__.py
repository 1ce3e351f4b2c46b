"""A table's snapshots, branches and tags: log, rollback, audited loads, publishing."""

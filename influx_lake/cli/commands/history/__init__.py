"""Commands on the history of tables: snapshots, rollbacks, tags, branches and their publication."""

"""Commands on the history of tables: history, rollback, tag, branch, publish."""

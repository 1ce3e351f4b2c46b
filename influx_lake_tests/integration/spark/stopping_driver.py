"""A command that stops for ever at a step of its commit, so that it can be killed there.

Usage: stopping_driver.py STEP COMMAND...
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from influx_lake.cli.entry import run
from influx_lake.iceberg.catalogs.sql_catalog import SqlCatalog


def main(step: str, *command: str) -> int:
    """Run the command, and stop before or after the catalog has what is committed."""
    original = SqlCatalog.commit_table

    def stopping(*arguments: Any, **named: Any) -> Any:
        # The table was made, and given its columns, by commits that bring no snapshot.
        is_load = "AddSnapshotUpdate" in str([type(each).__name__ for each in arguments[-1]])
        answer = original(*arguments, **named) if step == "after" or not is_load else None
        if is_load:
            print("AT THE COMMIT", flush=True)
            threading.Event().wait()
        return answer

    SqlCatalog.commit_table = stopping  # type: ignore[method-assign]
    return run(list(command))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

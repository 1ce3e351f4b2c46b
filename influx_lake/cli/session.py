"""Opens the lake for one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from influx_lake.cli.failures import note
from influx_lake.config import load_lake
from influx_lake.session import Session

__all__ = ["Session", "open_session"]


@contextmanager
def open_session(config: Path | None, branch: str | None = None, *, command: str = "influx-lake") -> Iterator[Session]:
    """A context with an open lake, closed at its end.

    Args:
        config: The lake.yaml.
        branch: The branch that tables are read from and loaded to; None: main.
        command: The parent job of lineage events.

    Raises:
        ConfigurationError: The lake.yaml is missing or has mistakes, or the branch cannot be called so.
    """
    if branch is not None:
        from influx_lake.iceberg.history.refs import check_name

        check_name(branch, "branch")
    from influx_lake.observing import Observation

    session = Session(load_lake(config), branch, tell=lambda remark: note(f"! {remark}"))
    with closing(session), Observation.of(session.lake).of_loads(command):
        yield session

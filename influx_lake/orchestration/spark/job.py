"""The process that drives Spark for a run of Dagster's, which asks for windows, and is told of them, by Dagster Pipes.

`python -m influx_lake.orchestration.spark` is what the run starts; services are given its `__main__.py` as a script.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from influx_lake.config import Lake, Measurement
from influx_lake.config.values.windows import Window
from influx_lake.errors import ConfigurationError, LakeError, naming
from influx_lake.orchestration.spark.results import pieces, told, told_error
from influx_lake.session import Session
from influx_lake.spark.shipping import received, shipped

_PACKAGE = "influx-lake"
REQUEST = "influx_lake"
"""The extra of the session that holds what is asked for."""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """Windows of a measurement to be loaded.

    Attributes:
        lake: The lake, as far as the measurement needs it.
        windows: The windows.
        run_id: The run, kept in the snapshots.
    """

    lake: Lake
    windows: tuple[Window, ...]
    run_id: str

    @classmethod
    def of(cls, lake: Lake, measurement: Measurement, windows: Sequence[Window], run_id: str) -> JobRequest:
        """The request for windows of a measurement: with its sources, and without what is others'."""
        sources = {name: lake.source(name) for name in (*measurement.sources, *filter(None, [measurement.archive]))}
        needed = Lake(lake.path, sources, lake.catalog, (measurement,), spark=lake.spark)
        return cls(needed, tuple(windows), run_id)

    def written(self) -> dict[str, str]:
        """The request as JSON has it; secrets are references.

        Raises:
            ConfigurationError: A secret was given as a value, and not in a lake.yaml.
        """
        shipment = base64.b64encode(zlib.compress(shipped(self))).decode()
        return {"version": version(_PACKAGE), "request": shipment}


def request_of(extra: dict[str, str]) -> JobRequest:
    """The request that `written` made.

    Raises:
        ConfigurationError: It was made by another version.
    """
    if extra["version"] != (here := version(_PACKAGE)):
        raise ConfigurationError(
            f"the run has influx-lake {extra['version']}, and the process that drives Spark {here}",
            remedy="Install the same version where Spark is driven",
        )
    found = received(zlib.decompress(base64.b64decode(extra["request"])))
    assert isinstance(found, JobRequest)
    return found


def run_job(request: JobRequest, tell: Callable[[dict[str, Any]], None], say: Callable[[str], None]) -> None:
    """Load windows one after the other, until one fails.

    Args:
        request: What is asked for.
        tell: Told of each window, and of the failure.
        say: Told how far it is, for people.
    """
    session = Session(request.lake)
    [measurement] = request.lake.measurements
    try:
        for window in request.windows:
            try:
                with naming(measurement.name, window):
                    done = session.load_window(
                        measurement,
                        window,
                        run_id=request.run_id,
                        on_progress=lambda now: say(f"{measurement.name}: {now.rows:,} rows so far"),
                    )
            except LakeError as error:
                tell({"failed": str(window), "error": told_error(error)})
                return
            tell({"loaded": told(done)})
    finally:
        session.close()


def main() -> None:
    """Do what the run asks for."""
    from influx_lake.orchestration.spark.pipes_session import opened_pipes

    try:
        session = opened_pipes()
    except LakeError as error:
        raise SystemExit(str(error)) from None
    with session as pipes:

        def tell(message: dict[str, Any]) -> None:
            for piece in pieces(message):
                pipes.report_custom_message(piece)

        try:
            request = request_of(pipes.extras[REQUEST])
        except LakeError as error:
            tell({"failed": None, "error": told_error(error)})
            return
        run_job(request, tell, pipes.log.info)

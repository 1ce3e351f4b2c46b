"""The process that drives Spark for a run of Dagster: it gets a request and reports its windows over Dagster Pipes.

A run starts `python -m influx_lake.orchestration.spark`; services get its `__main__.py` as a script.
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
from influx_lake.spark.serialization import received, shipped

_PACKAGE = "influx-lake"
REQUEST = "influx_lake"
"""The extra of the Pipes session with the request."""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """Windows of a measurement to load.

    Attributes:
        lake: The lake, with only the parts that the measurement needs.
        windows: The windows.
        run_id: The run, recorded in the snapshots.
    """

    lake: Lake
    windows: tuple[Window, ...]
    run_id: str

    @classmethod
    def of(cls, lake: Lake, measurement: Measurement, windows: Sequence[Window], run_id: str) -> JobRequest:
        """The request for windows of a measurement: with its sources alone."""
        sources = {name: lake.source(name) for name in (*measurement.sources, *filter(None, [measurement.archive]))}
        # The process that gets it is the one that drives Spark.
        spark = lake.spark.model_copy(update={"run_on": None})
        needed = Lake(lake.path, sources, lake.catalog, (measurement,), spark=spark)
        return cls(needed, tuple(windows), run_id)

    def written(self) -> dict[str, str]:
        """The request as JSON; secrets are references.

        Raises:
            ConfigurationError: A secret was given as a value, outside of a lake.yaml.
        """
        shipment = base64.b64encode(zlib.compress(shipped(self))).decode()
        return {"version": version(_PACKAGE), "request": shipment}


def request_of(extra: dict[str, str]) -> JobRequest:
    """Read the request that `written` returned.

    Raises:
        ConfigurationError: Another version wrote it.
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
        request: The request.
        tell: Receives the result of each window, or the failure.
        say: Receives progress messages for people.
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
    """Run the job that a run of Dagster requests."""
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

"""The section `metrics`: where Dagster's daemon pushes or writes metrics."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from influx_lake.config.references.secret import Secret
from influx_lake.config.values.locations import scheme_of, web_mistake
from influx_lake.config.values.units import Duration
from influx_lake.config.values.validated_names import Text


def _check_push(value: Secret | None) -> Secret | None:
    if value is not None and value.is_plain and (scheme_of(value.written) is None or web_mistake(value.written)):
        raise ValueError("is not the address of a Pushgateway: write one such as http://pushgateway.example.com:9091")
    return value


class MetricsOptions(BaseModel):
    """Where Dagster's daemon hands the metrics to. Nowhere, unless there is a `push` or a `text_file`."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    push: Annotated[
        Secret | None,
        AfterValidator(_check_push),
        WithJsonSchema({"type": "string", "pattern": r"^https?://[^\s/?#]+|\$\{"}),
    ] = Field(
        default=None,
        description="A Pushgateway. Its address may have `user:password@` before the host, so that it is a secret.",
        examples=["http://pushgateway:9091", "${PUSHGATEWAY}"],
    )
    text_file: Text | None = Field(
        default=None,
        description="A file for the node exporter's textfile collector; relative to the folder of the lake.yaml.",
        examples=["/var/lib/node_exporter/influx_lake.prom"],
    )
    every: Annotated[Duration, Field(ge=timedelta(seconds=10))] = Field(
        default=timedelta(minutes=1), description="How often."
    )

    def path(self, root: Path) -> Path | None:
        """The absolute path of `text_file`.

        Args:
            root: The lake's folder.
        """
        return None if self.text_file is None else root / self.text_file


PUSH = ("push",)
"""The name of the secret option."""
TAKERS = frozenset({"push", "text_file"})
"""The options of receivers, at least one of which is needed."""

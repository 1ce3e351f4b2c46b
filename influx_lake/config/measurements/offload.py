"""The options `proof` and `offload`."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from influx_lake.config.measurements.retention import LongDuration
from influx_lake.config.values.on_off import OnOff, read_on_off
from influx_lake.config.values.units import Duration, WholeNumber, YesNo


class Proof(StrEnum):
    """What proves that the lake has what its source has."""

    VALUES = "values"
    """Every value, by digests."""


class ProofOptions(BaseModel):
    """Windows are proved without anybody asking for it."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    compare: Proof = Field(default=Proof.VALUES, description="What is compared: `values`, every one of them.")
    every: Annotated[Duration, Field(ge=timedelta(minutes=10))] = Field(
        default=timedelta(hours=6), description="How often windows are looked for that closed and are not proved."
    )
    most_windows: WholeNumber = Field(
        default=31,
        ge=1,
        description="How many windows of a measurement are proved at once, the oldest first: the source's rows are "
        "read for it.",
    )


class _OrWord(OnOff):
    """A validator that also accepts the comparison alone: `proof: values`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_read_proof, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        found = super().__get_pydantic_json_schema__(schema, handler)
        return {"anyOf": [*found["anyOf"], {"enum": [str(each) for each in Proof]}]}


def _read_proof(value: Any) -> Any:
    return {"compare": value} if isinstance(value, str) and value in tuple(Proof) else read_on_off(value)


Proving = Annotated[ProofOptions | None, _OrWord()]
"""The option `proof`; None: windows are proved on request only."""


class OffloadOptions(BaseModel):
    """When windows are deleted at the source that the lake is proved to have."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    after: Annotated[LongDuration, Field(ge=timedelta(hours=1))] = Field(
        default=timedelta(days=90),
        description="How long ago a window must have ended, and how long its rows in the lake must not have changed.",
        examples=["90d", "1y"],
    )
    proof: Proof = Field(default=Proof.VALUES, description="What proves that the lake has all of it: `values`.")
    keep_tag: Annotated[LongDuration, Field(ge=timedelta(days=1))] = Field(
        default=timedelta(days=30),
        description="How long the snapshot that was proved is kept, under a tag, whatever becomes of the table.",
    )
    most_windows: WholeNumber = Field(
        default=31, ge=1, description="How many windows of a measurement one run deletes at most, the oldest first."
    )
    most_rows: WholeNumber = Field(
        default=1_000_000_000, ge=1, description="How many rows of a measurement one run deletes at most."
    )
    lossy: YesNo = Field(
        default=False,
        description="Off-load also where lake.yaml keeps something out of the lake that the source has (`where`, "
        "`fields`, `tags`, `duplicates`, `map`, `formats`, `on_cast_error`, `nanoseconds: truncate`, erased rows, a "
        "`long` layout): what is not in the lake is gone then.",
    )


Offloading = Annotated[OffloadOptions | None, OnOff()]
"""The option `offload`; None: nothing is deleted at the source."""

"""The option `max_document`: the largest document of a source held in memory."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from influx_lake.config.values.units import Size

MAX_DOCUMENT = "max_document"
"""The option's name."""


class DocumentLimit(BaseModel):
    """A source whose documents are bounded."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    max_document: Size = Field(
        default=64_000_000,
        ge=1000,
        description="The most that one document, line or record may hold, unpacked: it has to be in memory as a whole. "
        "A larger one fails what asked for it, with an error that names this option.",
    )

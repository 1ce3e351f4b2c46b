"""The source type `line_protocol`: files of line protocol."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from influx_lake.config.connections.point_files import Paths, PointFilesConfig, check_staging


class LineProtocolConfig(PointFilesConfig):
    """Files of line protocol: `influx_inspect export`, `influxd inspect export-lp`, Telegraf's file output."""

    type: Literal["line_protocol"] = Field(description="Files of line protocol.")
    path: Paths = Field(
        description="The files, plain or compressed with gzip or zstd: a path, a folder, a pattern (`*`, `**`) or a "
        "list of them; local, s3://, gs://, abfss:// or https://.",
        examples=["./exports/*.gz", ["s3://backups/telemetry.lp.zst"]],
    )
    database: str = Field(
        min_length=1,
        description="Whose points are loaded, where the files name several databases; also the default of `namespace`.",
    )
    retention_policy: str | None = Field(
        default=None, description="Whose points of it are loaded, where the files name several retention policies."
    )
    precision: Literal["ns", "us", "ms", "s"] = Field(default="ns", description="What the timestamps count in.")

    @model_validator(mode="after")
    def _check_staging(self) -> Self:
        check_staging(self.staging, *self.path, deep=False)
        return self

    @property
    def label(self) -> str:
        """A description for people."""
        return f"the line protocol in `{', '.join(self.path)}` (database `{self.database}`)"

"""The section `spark`: the Spark that loads windows with `engine: spark`."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from influx_lake.config.catalogs.options import is_secret_name
from influx_lake.config.values.contradictions import contradiction
from influx_lake.config.values.lists import Distinct
from influx_lake.config.values.units import WholeNumber
from influx_lake.config.values.validated_names import Form, Text

_MASTER = Form(
    r"^(local|local\[(\*|[0-9]+)(,[0-9]+)?\]|local-cluster\[[0-9]+,[0-9]+,[0-9]+\]|spark://\S+|k8s://\S+|yarn)$",
    "a master: write local[4], local[*], spark://host:7077, k8s://https://host:443 or yarn",
)
_COORDINATES = Form(r"^[^\s:,]+:[^\s:,]+:[^\s:,]+$", "Maven's coordinates: write group:artifact:version")


class SparkOptions(BaseModel):
    """How Spark is got, and how much one of its tasks does."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    master: Annotated[str, _MASTER] | None = Field(
        default=None,
        description="Spark's master. Default: what Spark's own settings say (`spark-submit`, `spark-defaults.conf`); "
        "all cores of this machine where they say nothing.",
        examples=["local[4]", "spark://spark.example.com:7077"],
    )
    conf: dict[Text, str] = Field(
        default={},
        description="Spark's properties, by their names. Secrets have no place here, since Spark shows them: executors "
        "resolve the references of this lake.yaml themselves.",
        examples=[{"spark.executor.memory": "4g", "spark.executor.instances": "8"}],
    )
    packages: Annotated[tuple[Annotated[str, _COORDINATES], ...], Distinct()] = Field(
        default=(), description="Maven packages that Spark is to fetch, as its `--packages`."
    )
    archives: Annotated[tuple[Text, ...], Distinct()] = Field(
        default=(),
        description="Archives that executors unpack, as Spark's `--archives`: an environment with influx-lake in it.",
        examples=[["s3://bucket/influx-lake-env.tar.gz#environment"]],
    )
    py_files: Annotated[tuple[Text, ...], Distinct()] = Field(
        default=(), description="Python packages that executors get, as Spark's `--py-files`: wheels and zip files."
    )
    python: Text | None = Field(
        default=None,
        description="The Python of executors, as Spark's `spark.pyspark.python`. Default: the one of the driver.",
        examples=["./environment/bin/python"],
    )
    rows_per_task: Annotated[WholeNumber, Field(ge=1_000)] = Field(
        default=5_000_000,
        description="How many rows of a window one task writes, about: each gets a stretch of the window's time.",
    )

    @model_validator(mode="after")
    def _check_secrets(self) -> Self:
        for name in self.conf:
            if is_secret_name(name):
                message = (
                    "would be shown by Spark: leave it out. Files and tables are reached by `storage` and `catalog` of "
                    "this lake.yaml, whose references are resolved where they are used"
                )
                raise contradiction(message, "conf", name)
        return self

"""The section `spark`: the Spark that loads windows with `engine: spark`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from influx_lake.config.catalogs.options import is_secret_name
from influx_lake.config.values.conflicting_options import contradiction
from influx_lake.config.values.lists import Distinct
from influx_lake.config.values.read_options import PositiveDuration
from influx_lake.config.values.units import WholeNumber
from influx_lake.config.values.validated_names import Form, Text

_MASTER = Form(
    r"^(local|local\[(\*|[0-9]+)(,[0-9]+)?\]|local-cluster\[[0-9]+,[0-9]+,[0-9]+\]|spark://\S+|k8s://\S+|yarn)$",
    "a master: write local[4], local[*], spark://host:7077, k8s://https://host:443 or yarn",
)
_COORDINATES = Form(r"^[^\s:,]+:[^\s:,]+:[^\s:,]+$", "Maven's coordinates: write group:artifact:version")
_ENTRY_POINT = Form(r"^s3://[^/\s]+/\S+$", "an address of a file in S3: write s3://bucket/influx-lake/driver.py")
_MESSAGES = Form(r"^s3://[^/\s]+(/\S*)?$", "an address of a folder in S3: write s3://bucket/influx-lake/messages")
_APPLICATION = Form(r"^[0-9a-z]+$", "the id of an application, such as 00f1a2b3c4d5e6f7")
_ROLE = Form(r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/\S+$", "a role: write arn:aws:iam::123456789012:role/influx-lake")
_LABEL = Form(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", "a name of Kubernetes: small letters, digits and -")
_ACCOUNT = Form(r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", "a name of Kubernetes: small letters, digits, - and .")
_MINUTE = timedelta(minutes=1)


class _Aws(BaseModel):
    """What both services of AWS need."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    messages: Annotated[str, _MESSAGES] = Field(
        description="A folder in S3 by which the run tells the driver what to load, and the driver what it did. Both "
        "need the right to read and write there.",
        examples=["s3://bucket/influx-lake/messages"],
    )
    region: Text | None = Field(default=None, description="The region. Default: AWS's own settings.")


class EmrServerless(_Aws):
    """An application of EMR Serverless that drives Spark."""

    called: ClassVar[str] = "EMR Serverless"

    application_id: Annotated[str, _APPLICATION] = Field(
        description="The application, of the type Spark.", examples=["00f1a2b3c4d5e6f7"]
    )
    execution_role_arn: Annotated[str, _ROLE] = Field(
        description="The role that driver and executors have.", examples=["arn:aws:iam::123456789012:role/influx-lake"]
    )
    entry_point: Annotated[str, _ENTRY_POINT] = Field(
        description="Where influx-lake's `orchestration/spark/__main__.py` was put.",
        examples=["s3://bucket/influx-lake/driver.py"],
    )
    timeout: PositiveDuration | None = Field(
        default=None, description="How long one job may take, in whole minutes. Default: the service's, 12 hours."
    )

    @model_validator(mode="after")
    def _check_timeout(self) -> Self:
        if self.timeout is not None and (self.timeout % _MINUTE or self.timeout > 1_000_000 * _MINUTE):
            raise contradiction("is no number of whole minutes up to 1,000,000: write 2d, 36h or 90m", "timeout")
        return self

    @property
    def minutes(self) -> int | None:
        """The timeout in minutes."""
        return None if self.timeout is None else self.timeout // _MINUTE


class Glue(_Aws):
    """A job of Glue that drives Spark."""

    called: ClassVar[str] = "Glue"

    job_name: Text = Field(description="The job, whose script is influx-lake's `orchestration/spark/__main__.py`.")


class Kubernetes(BaseModel):
    """A pod of Kubernetes that drives Spark."""

    called: ClassVar[str] = "Kubernetes"

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    image: Text = Field(
        description="An image with influx-lake, its extra `spark` and Java.",
        examples=["registry.example.com/influx-lake-spark:1.0"],
    )
    namespace: Annotated[str, _LABEL] | None = Field(
        default=None, description="The namespace. Default: the run's own, or `default` outside of a cluster."
    )
    service_account: Annotated[str, _ACCOUNT] | None = Field(
        default=None, description="The service account of the pod. Default: the namespace's."
    )
    pod_spec: dict[Text, Any] = Field(
        default={},
        description="More of the pod's specification, as Kubernetes writes it: one container at most, with resources, "
        "and `envFrom` for the variables of references.",
        examples=[{"containers": [{"envFrom": [{"secretRef": {"name": "influx-lake"}}]}]}],
    )

    @model_validator(mode="after")
    def _check_pod(self) -> Self:
        containers = self.pod_spec.get("containers", [{}])
        if not (isinstance(containers, list) and len(containers) == 1 and isinstance(containers[0], dict)):
            raise contradiction("is not a list of one container, which drives Spark", "pod_spec", "containers")
        for name in ("image", "command", "args"):
            if name in containers[0]:
                raise contradiction("is set by influx-lake: leave it out", "pod_spec", "containers", 0, name)
        for name in ("initContainers", "init_containers"):
            if name in self.pod_spec:
                raise contradiction("has no place beside the container that drives Spark", "pod_spec", name)
        variables = containers[0].get("env", [])
        for variable in variables if isinstance(variables, list) else []:
            if isinstance(variable, dict) and is_secret_name(str(variable.get("name"))) and "value" in variable:
                message = "holds a secret as it is: take it from a Secret, by `valueFrom` or `envFrom`"
                raise contradiction(message, "pod_spec", "containers", 0, "env")
        return self


class RunOn(BaseModel):
    """Who drives Spark for runs of Dagster, in the place of a process beside the run."""

    model_config = ConfigDict(
        defer_build=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        json_schema_extra={"minProperties": 1},
    )

    emr_serverless: EmrServerless | None = Field(default=None, description="An application of EMR Serverless.")
    glue: Glue | None = Field(default=None, description="A job of Glue.")
    kubernetes: Kubernetes | None = Field(default=None, description="A pod of its own in Kubernetes.")

    @property
    def service(self) -> EmrServerless | Glue | Kubernetes:
        """The one that is given."""
        return self._given()[0]

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if len(self._given()) != 1:
            raise contradiction("is not one of these: give emr_serverless, glue or kubernetes; leave it out for none")
        return self

    def _given(self) -> list[EmrServerless | Glue | Kubernetes]:
        return [each for each in (self.emr_serverless, self.glue, self.kubernetes) if each is not None]


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

    run_on: RunOn | None = Field(
        default=None,
        description="Who drives Spark for runs of Dagster. Default: a process that the run starts beside itself.",
    )

    @model_validator(mode="after")
    def _check_service(self) -> Self:
        if self.run_on is None or self.run_on.kubernetes is not None:
            return self
        if self.master is not None:
            raise contradiction(f"is set by {self.run_on.service.called} itself: leave it out", "master")
        if self.run_on.glue is not None:
            for name in ("packages", "archives", "py_files", "python"):
                if getattr(self, name):
                    message = "is for who starts the job: give it to the job of Glue, as an argument of its own"
                    raise contradiction(message, name)
        return self

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

"""The process that drives Spark: beside the run, or at a service, started by Dagster's own Pipes clients."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import dagster as dg

from influx_lake.config.lake.spark import EmrServerless, Glue, Kubernetes, SparkOptions
from influx_lake.errors import MissingExtra

_JOB = "influx_lake.orchestration.spark"
_PYTHON = "PYSPARK_PYTHON"
_DRIVER_PYTHON = "PYSPARK_DRIVER_PYTHON"
_NO_LIMIT = 0


class Driver(Protocol):
    """Starts the process that drives Spark, and waits for its end."""

    @property
    def name(self) -> str:
        """Its name in messages."""
        ...

    @property
    def output(self) -> str:
        """Where its output is, in words."""
        ...

    def run(self, step: dg.AssetExecutionContext, extras: dict[str, Any]) -> dg.PipesClientCompletedInvocation:
        """Start the process, and wait until it is done.

        Args:
            step: The step that waits for it. An interrupted step ends the process.
            extras: The request.

        Raises:
            Exception: It could not be started, or failed.
        """
        ...


def driver_of(options: SparkOptions) -> Driver:
    """The driver for the options of the section `spark`."""
    match options.run_on and options.run_on.service:
        case EmrServerless() as service:
            return EmrServerlessDriver(service, options)
        case Glue() as service:
            return GlueDriver(service)
        case Kubernetes() as service:
            return KubernetesDriver(service)
        case _:
            return LocalDriver()


@dataclass(frozen=True, slots=True)
class LocalDriver:
    """A process beside the run, with its environment."""

    name = "the process that drives Spark"
    output = "the run's compute logs"

    def run(self, step: dg.AssetExecutionContext, extras: dict[str, Any]) -> dg.PipesClientCompletedInvocation:
        """Start the process; see `Driver`."""
        return dg.PipesSubprocessClient().run(context=step, command=[sys.executable, "-m", _JOB], extras=extras)


@dataclass(frozen=True, slots=True)
class EmrServerlessDriver:
    """A job of an EMR Serverless application.

    Attributes:
        service: The application.
        options: The Spark options of the job.
    """

    service: EmrServerless
    options: SparkOptions
    name = "the job of EMR Serverless that drives Spark"
    output = "the application's logs, and the job's state in the run's log"

    def run(self, step: dg.AssetExecutionContext, extras: dict[str, Any]) -> dg.PipesClientCompletedInvocation:
        """Start the process; see `Driver`."""
        import boto3  # type: ignore[import-untyped]
        from dagster_aws.pipes import PipesEMRServerlessClient

        from influx_lake.orchestration.spark.s3_messages import s3_injector, s3_reader

        service = self.service
        asked: dict[str, Any] = {
            "applicationId": service.application_id,
            "executionRoleArn": service.execution_role_arn,
            "name": f"influx-lake {step.run.run_id}",
            "jobDriver": {"sparkSubmit": {"entryPoint": service.entry_point}},
        }
        if service.minutes is not None:
            asked["executionTimeoutMinutes"] = service.minutes
        if properties := spark_defaults(self.options):
            defaults = {"classification": "spark-defaults", "properties": properties}
            asked["configurationOverrides"] = {"applicationConfiguration": [defaults]}
        client = PipesEMRServerlessClient(
            boto3.client("emr-serverless", region_name=service.region),
            context_injector=s3_injector(service),
            message_reader=s3_reader(service),
        )
        return client.run(context=step, start_job_run_params=asked, extras=extras)


def spark_defaults(options: SparkOptions) -> Mapping[str, str]:
    """Spark properties for services that start the driver by `spark-submit`."""
    lists = {
        "spark.jars.packages": options.packages,
        "spark.archives": options.archives,
        "spark.submit.pyFiles": options.py_files,
    }
    found = {name: ",".join(values) for name, values in lists.items() if values}
    if options.python is not None:
        for variable in (_PYTHON, _DRIVER_PYTHON):
            found[f"spark.emr-serverless.driverEnv.{variable}"] = options.python
        found[f"spark.executorEnv.{_PYTHON}"] = options.python
    return {**found, **options.conf}


@dataclass(frozen=True, slots=True)
class GlueDriver:
    """A run of a Glue job.

    Attributes:
        service: The job.
    """

    service: Glue
    name = "the job of Glue that drives Spark"
    output = "the job's logs in CloudWatch"

    def run(self, step: dg.AssetExecutionContext, extras: dict[str, Any]) -> dg.PipesClientCompletedInvocation:
        """Start the process; see `Driver`."""
        import boto3
        from dagster_aws.pipes import PipesGlueClient

        from influx_lake.orchestration.spark.s3_messages import s3_injector, s3_reader

        client = PipesGlueClient(
            context_injector=s3_injector(self.service),
            message_reader=s3_reader(self.service),
            client=boto3.client("glue", region_name=self.service.region),
        )
        asked = {"JobName": self.service.job_name}
        return client.run(context=step, start_job_run_params=asked, extras=extras)


@dataclass(frozen=True, slots=True)
class KubernetesDriver:
    """A pod.

    Attributes:
        service: The pod.
    """

    service: Kubernetes
    name = "the pod that drives Spark"
    output = "the run's compute logs, if the pod started"

    def run(self, step: dg.AssetExecutionContext, extras: dict[str, Any]) -> dg.PipesClientCompletedInvocation:
        """Start the process; see `Driver`.

        Raises:
            MissingExtra: Dagster's client is not installed.
        """
        try:
            from dagster_k8s import PipesK8sClient
        except ImportError as error:
            raise MissingExtra("driving Spark in Kubernetes", "kubernetes") from error

        spec = dict(self.service.pod_spec)
        if self.service.service_account is not None:
            spec["serviceAccountName"] = self.service.service_account
        return PipesK8sClient().run(
            context=step,
            extras=extras,
            image=self.service.image,
            command=["python", "-m", _JOB],
            namespace=self.service.namespace,
            base_pod_spec=spec,
            pod_wait_timeout=_NO_LIMIT,
        )

"""Opens Dagster Pipes in the process that drives Spark, by whichever way the service passes it on."""

from __future__ import annotations

from typing import Any

from dagster_pipes import (
    PipesCliArgsParamsLoader,
    PipesContext,
    PipesEnvVarParamsLoader,
    PipesParamsLoader,
    PipesS3ContextLoader,
    PipesS3MessageWriter,
    open_dagster_pipes,
)

from influx_lake.errors import ConfigurationError


def opened_pipes() -> PipesContext:
    """The Pipes session of the run that started this process.

    Its parameters are in environment variables (a process, EMR Serverless, Kubernetes) or in arguments (Glue), and name
    S3 where messages go there.

    Raises:
        ConfigurationError: No run of Dagster started this process.
    """
    loaders: tuple[PipesParamsLoader, ...] = (
        PipesEnvVarParamsLoader(),  # type: ignore[no-untyped-call]
        PipesCliArgsParamsLoader(),  # type: ignore[no-untyped-call]
    )
    found = next((each for each in loaders if each.is_dagster_pipes_process()), None)
    if found is None:
        raise ConfigurationError(
            "this process was not started by a run of Dagster, which says what to load",
            remedy="Materialize an asset whose windows Spark loads, or use `influx-lake replicate`",
        )
    return open_dagster_pipes(
        params_loader=found,
        context_loader=PipesS3ContextLoader(_s3()) if "bucket" in found.load_context_params() else None,
        message_writer=PipesS3MessageWriter(_s3()) if "bucket" in found.load_messages_params() else None,
    )


def _s3() -> Any:
    import boto3  # type: ignore[import-untyped]

    return boto3.client("s3")

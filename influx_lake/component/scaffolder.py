"""The scaffolder of `dg scaffold defs influx_lake.InfluxLakeComponent NAME`: writes a defs.yaml and its lake.yaml."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click
import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from influx_lake.config.connections import DEFAULT_TYPE, SOURCE_TYPES, ServerConfig
from influx_lake.config.lake.lake_file import LakeFile, escaped, replace_text
from influx_lake.config.lake.loader import lake_of
from influx_lake.config.values.validated_names import safe_table_name
from influx_lake.errors import ConfigurationError, LakeError

_LAKE = "lake.yaml"
_PYTHON = '''\
import dagster as dg

from {module} import {name}


@dg.component_instance
def load(context: dg.ComponentLoadContext) -> {name}:
    """The lake of a lake.yaml."""
    return {name}(config="{config}").placed(context)
'''
_REQUIREMENTS = "requirements:\n  env:\n    - {variable}\n"


class LakeScaffoldParams(BaseModel):
    """The options of scaffolding: an existing lake.yaml, or the content of a new one."""

    model_config = ConfigDict(extra="forbid")

    config: str | None = Field(
        default=None, description="A lake.yaml that is there already, as a path from where you are; none is written."
    )
    type: str = Field(default=DEFAULT_TYPE, description=f"The source's type: {', '.join(SOURCE_TYPES)}.")
    host: str | None = Field(default=None, description="The server. Default: $INFLUXDB3_HOST, or this machine.")
    database: str | None = Field(
        default=None, description="The database or bucket. Default: $INFLUXDB3_DATABASE; of files, the folder's name."
    )
    org: str | None = Field(default=None, description="The organization, of an InfluxDB 2.")
    token_env: str | None = Field(default=None, description="The variable with the token. Default: INFLUXDB3_TOKEN.")
    path: list[str] = Field(default=[], description="The files, of a source that is files; relative to lake.yaml.")
    measurements: list[str] = Field(default=[], description="Names and patterns. Default: all (`*`).")
    start: date | None = Field(default=None, description="The oldest day to load. Default: this year's first.")
    namespace: str | None = Field(default=None, description="The namespace of the tables. Default: the folder's name.")


class LakeScaffolder(dg.Scaffolder[LakeScaffoldParams]):
    """Writes a defs.yaml (or component.py) with a new or an existing lake.yaml. Nothing is contacted."""

    @classmethod
    def get_scaffold_params(cls) -> type[LakeScaffoldParams]:
        """The model of the command's options."""
        return LakeScaffoldParams

    def scaffold(self, request: dg.ScaffoldRequest[LakeScaffoldParams]) -> None:
        """Write the files.

        Raises:
            ClickException: The options are contradictory or make no valid lake, or a file cannot be written.
        """
        folder = request.target_path.parent if request.append else request.target_path
        try:
            config, variable = _lake_yaml(folder, request.params)
            attributes = {"config": config}
            if request.scaffold_format == "python":
                module, _, name = request.type_name.rpartition(".")
                text = _PYTHON.format(module=module, name=name, config=config)
                replace_text(folder / "component.py", text)
                return
        except LakeError as error:
            # `dg` shows any other error with its traceback.
            raise click.ClickException(str(error)) from None
        dg.scaffold_component(request, attributes)
        if variable:
            with (request.target_path if request.append else folder / "defs.yaml").open("a", encoding="utf-8") as file:
                file.write(_REQUIREMENTS.format(variable=variable))


def _lake_yaml(folder: Path, params: LakeScaffoldParams) -> tuple[str, str | None]:
    """The path of the lake.yaml as the defs.yaml names it, and the environment variable that it needs.

    It is written where no other is named.
    """
    if params.config is not None:
        # `dg` does not tell which options were given.
        fields = LakeScaffoldParams.model_fields
        if more := [name for name in fields if name != "config" and getattr(params, name) != fields[name].default]:
            raise ConfigurationError(
                f"config names a lake.yaml, which says what {', '.join(more)} would",
                remedy="Give config alone, or leave it out to have a lake.yaml written",
            )
        lake = Path(params.config).expanduser().absolute()
        if not lake.is_file():
            raise ConfigurationError(f"there is no {lake}", remedy="Leave config out to have a lake.yaml written")
        return os.path.relpath(lake, folder), None
    path = folder / _LAKE
    if path.exists():
        raise ConfigurationError(f"{path} is already there", remedy=f"Give config={os.path.relpath(path)} to use it")
    source, variables = _source(params, folder.name)
    # The variables' values are validated when the lake.yaml is loaded.
    lake_of({"sources": {"default": source}}, path)
    file = LakeFile(
        source={**source, **variables},
        start=params.start or datetime.now(UTC).date().replace(month=1, day=1),
        measurements=tuple(params.measurements or ["*"]),
        namespace=params.namespace or safe_table_name(folder.name),
        patterns=True,
    )
    replace_text(path, file.text())
    if not (ignored := folder / ".gitignore").exists():
        replace_text(ignored, ".lake/\n")
    return _LAKE, variables["token"][2:-1] if "token" in variables else None


def _source(params: LakeScaffoldParams, folder: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The entry of `sources`, and its options that are environment variables."""
    model = SOURCE_TYPES.get(params.type)
    given = {"host": params.host, "org": params.org}
    entry: dict[str, Any] = {"type": params.type, **{name: escaped(value) for name, value in given.items() if value}}
    if params.path:
        paths = [escaped(path) for path in params.path]
        entry["location" if params.type == "influxdb3_parquet" else "path"] = paths[0] if len(paths) == 1 else paths
    if model is None or not issubclass(model, ServerConfig):
        return {**entry, "database": escaped(params.database or folder)}, {}
    prefix = "INFLUXDB" if params.type == "auto" else params.type.upper()
    variables = {}
    defaults = {
        "host": (params.host, f"http://127.0.0.1:{model.PORT}"),
        model.DATABASE_OPTION: (params.database, "telemetry"),
    }
    for (name, (value, default)), variable in zip(defaults.items(), ("HOST", "DATABASE"), strict=True):
        entry[name] = escaped(value or default)
        if value is None:
            variables[name] = f"${{{prefix}_{variable}:-{default}}}"
    if params.token_env or params.type != "influxdb1":
        variables["token"] = f"${{{params.token_env or f'{prefix}_TOKEN'}}}"
    return entry, variables

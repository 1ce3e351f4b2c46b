"""The command `influx-lake sandbox`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from influx_lake.cli.options import JsonOption
from influx_lake.cli.output import Output, output
from influx_lake.cli.sandboxes import SANDBOX_FOLDER, running_sandbox, token_file

if TYPE_CHECKING:
    from influx_lake.sandbox import Sandbox


def sandbox(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port for both gRPC and HTTP; 0 picks a free one.")
    ] = 8181,
    host: Annotated[
        str, typer.Option(help="The address to listen on. The sandbox is not made for public networks.")
    ] = "127.0.0.1",
    data_dir: Annotated[Path, typer.Option(help="The folder for the data and the token.")] = SANDBOX_FOLDER,
    in_memory: Annotated[
        bool, typer.Option("--in-memory", help="Keep data only in memory, and discard it at the end.")
    ] = False,
    database: Annotated[list[str] | None, typer.Option(help="Create this database; may be repeated.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run an embedded server that speaks InfluxDB 3's protocols, until Ctrl-C. For first runs and tests."""
    with output(as_json) as out:

        def ready(box: Sandbox) -> None:
            for name in database or ():
                box.store.create_database(name)
            _show(out, box, data_dir, in_memory)

        with running_sandbox(data_dir, host=host, port=port, in_memory=in_memory) as box:
            box.serve(ready)
        out.note("The sandbox has stopped.")


def _show(out: Output, box: Sandbox, data_dir: Path, in_memory: bool) -> None:
    token = token_file(data_dir)
    out.line(f"The sandbox listens on {box.url}, for gRPC and HTTP. Stop it with Ctrl-C.")
    out.line(f"Data: {'in memory' if in_memory else data_dir}. Token: {token}")
    out.line("In another terminal:")
    out.line(f"  export INFLUXDB3_HOST={box.url} INFLUXDB3_TOKEN=$(cat {token})")
    out.line(f"  curl '{box.url}/api/v3/write_lp?db=telemetry' -H \"Authorization: Bearer $INFLUXDB3_TOKEN\" \\")
    out.line("    --data-binary 'cpu,host=a usage_user=1.5'")
    out.line("  influx-lake check")
    out.result(
        {"url": box.url, "token_file": str(token.absolute()), "flight_port": box.flight_port, "pid": os.getpid()}
    )

"""The entry point of `influx-lake`: exit codes, errors, signals."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import cache

import typer

from influx_lake.cli import failures
from influx_lake.cli.app import DEBUG_VARIABLE, app, wants_debug
from influx_lake.cli.interruption import INTERRUPTED, TERMINATED, Terminated, terminable
from influx_lake.errors import LakeError

PROGRAM = "influx-lake"
USAGE = 2


def main() -> None:
    """Run the command of this process's arguments and exit with its code."""
    code = run(sys.argv[1:])
    if code in (INTERRUPTED, TERMINATED):
        # A signal may have come while a library was starting a thread; Python would wait for that thread for ever.
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command.

    Args:
        arguments: What comes after `influx-lake`.

    Returns:
        0; 1 when the command failed; 2 for bad usage or configuration; 130 or 143 when it was stopped by a signal.
    """
    as_json = "--json" in arguments
    failures.show_traces(wants_debug(arguments))
    try:
        with terminable():
            code = _command()(args=list(arguments), prog_name=PROGRAM, standalone_mode=False)
    except LakeError as error:
        failures.report(failures.of_lake_error(error), as_json)
        failures.note_trace(error)
        return error.exit_code
    except typer.TyperException as error:
        failures.report(failures.of_usage(error.format_message(), _help_hint(arguments)), as_json)
        return USAGE
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Terminated:
        return TERMINATED
    except Exception as error:
        failures.report(failures.of_defect(error, f"{PROGRAM} --debug ... or {DEBUG_VARIABLE}=1"), as_json)
        failures.note_trace(error)
        return 1
    return code if isinstance(code, int) else 0


@cache
def _command() -> Callable[..., object]:
    """The command with its options, which are read from type hints: tens of milliseconds."""
    return typer.main.get_command(app)


def _help_hint(arguments: Sequence[str]) -> str:
    commands = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    command = next((word for word in arguments if word in commands), "")
    return f"See: {' '.join(filter(None, (PROGRAM, command, '--help')))}"

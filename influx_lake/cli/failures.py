"""Reports errors: as text on stderr, or as a JSON object on stdout with `--json`. Secrets are redacted."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass, field
from typing import Any

from influx_lake.errors import LakeError, UnforeseenError
from influx_lake.printable import printable, printable_json


@dataclass(frozen=True, slots=True)
class Failure:
    """An error, ready to be reported.

    Attributes:
        text: The text for people.
        facts: The JSON.
    """

    text: str
    facts: dict[str, Any] = field(default_factory=dict)


def of_lake_error(error: LakeError) -> Failure:
    """The failure for an error of this project."""
    from influx_lake.config import ConfigurationProblems

    facts: dict[str, Any] = {
        "type": type(error).__name__,
        "message": error.message,
        "remedy": error.remedy,
        "measurement": error.measurement,
        "window": error.window,
        "transient": error.transient,
    }
    if isinstance(error, ConfigurationProblems):
        facts["problems"] = [
            {
                "file": str(problem.place.file),
                "line": problem.place.line,
                "path": ".".join(str(part) for part in problem.location),
                "message": problem.message,
            }
            for problem in error.problems
        ]
    return Failure(str(error), facts)


def of_usage(message: str, hint: str) -> Failure:
    """The failure for invalid arguments."""
    end = "" if message.endswith((".", "?", "!")) else "."
    return Failure(f"{message}{end} {hint}", {"type": "UsageError", "message": message, "remedy": hint})


def of_defect(error: Exception, debug: str) -> Failure:
    """The failure for an unexpected exception."""
    message = f"unexpected {type(error).__name__}: {error}"
    remedy = f"For the whole story: {debug}"
    return Failure(f"{message}\n{remedy}", {"type": type(error).__name__, "message": message, "remedy": remedy})


_traces = False


def show_traces(wanted: bool) -> None:
    """Switch tracebacks of unexpected errors on or off."""
    global _traces  # noqa: PLW0603
    _traces = wanted


def note_trace(error: Exception) -> None:
    """Print the traceback of an unexpected error, where that is switched on."""
    if _traces and (isinstance(error, UnforeseenError) or not isinstance(error, LakeError)):
        note("".join(traceback.format_exception(error)))


def report(failure: Failure, as_json: bool) -> None:
    """Report a failure."""
    if as_json:
        sys.stdout.write(as_object({"error": failure.facts}))
        sys.stdout.flush()
    else:
        note(f"✗ {failure.text}")


def note(text: str) -> None:
    """Write to stderr, without secrets."""
    from influx_lake.config import redact

    sys.stderr.write(printable(redact(text)).rstrip("\n") + "\n")
    sys.stderr.flush()


def as_object(content: dict[str, Any]) -> str:
    """One JSON object and a newline, without secrets."""
    from influx_lake.config.redaction import redacted

    # Redacted before encoding: a short secret such as 1 or null would break the JSON.
    return printable_json(redacted(content)) + "\n"

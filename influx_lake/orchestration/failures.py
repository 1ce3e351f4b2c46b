"""Errors of the project as Dagster failures with a remedy."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from influx_lake.config import leaks, redact
from influx_lake.errors import LakeError

_TRACE_CHARACTERS = 20_000


@contextmanager
def failing_clearly(measurement: str | None = None, window: object = None) -> Iterator[None]:
    """A context that raises a `LakeError` as `dagster.Failure`; no exception that leaves it holds a secret.

    A retry policy retries the failure only where a retry can help.

    Args:
        measurement: The measurement, for errors that do not name one.
        window: The window, likewise.
    """
    try:
        yield
    except LakeError as error:
        raise as_failure(error.about(measurement, window)) from None
    except Exception as error:
        if not leaks(error):
            raise
        # Dagster stores an exception's text and those of its causes in the event log.
        raise dg.Failure(redact(f"{type(error).__name__}: {error}"), metadata={"trace": _trace(error)}) from None


def as_failure(error: LakeError) -> dg.Failure:
    """The failure with an error's text, subject and remedy."""
    facts: dict[str, dg.RawMetadataValue] = {"error": type(error).__name__, "transient": error.transient}
    if error.measurement:
        facts["measurement"] = error.measurement
    if error.window:
        facts["window"] = error.window
    if error.remedy:
        facts["remedy"] = redact(error.remedy)
    facts["trace"] = _trace(error)
    return dg.Failure(redact(str(error)), metadata=facts, allow_retries=error.transient)


def joined(failures: Sequence[Exception]) -> Exception:
    """The failure of a step in which several things failed: one failure as it is, several as one that lists all of
    them.
    """
    if len(failures) == 1:
        return failures[0]
    told = [_described(failure) for failure in failures]
    traces = "\n\n".join(_trace(failure).value or "" for failure in failures)
    return dg.Failure(
        f"{len(failures)} failures:\n" + "\n".join(f"- {text}" for text in told),
        metadata={
            "failures": dg.MetadataValue.int(len(failures)),
            "trace": dg.MetadataValue.md(traces[-_TRACE_CHARACTERS:]),
        },
        allow_retries=any(getattr(failure, "allow_retries", True) for failure in failures),
    )


def _described(failure: Exception) -> str:
    """A failure in words, with its remedy."""
    if not isinstance(failure, dg.Failure):
        return redact(f"{type(failure).__name__}: {failure}")
    remedy = failure.metadata.get("remedy")
    return f"{failure.description}{f'. {remedy.value}' if remedy else ''}"


def _trace(error: Exception) -> dg.MarkdownMetadataValue:
    text = redact("".join(traceback.format_exception(error)))
    return dg.MetadataValue.md(f"```\n{text[-_TRACE_CHARACTERS:]}\n```")

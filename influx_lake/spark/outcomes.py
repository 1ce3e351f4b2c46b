"""The outcome of a Spark task: its result or our error, and its log messages. Converts errors of Spark itself."""

from __future__ import annotations

import importlib
import logging
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from influx_lake.config.references.secret import redact
from influx_lake.errors import EngineError, LakeError, UnforeseenError
from influx_lake.iceberg.columns.timestamps import FineTimesMet

log = logging.getLogger("influx_lake.spark")

_LONGEST = 1_000
_OURS = "influx_lake"


@dataclass(slots=True)
class Outcome:
    """The outcome of a task.

    Attributes:
        value: Its result.
        error: The error: module, class, arguments and attributes; None where the task succeeded.
        remarks: The warnings that it logged.
    """

    value: Any = None
    error: tuple[str, str, tuple[Any, ...], dict[str, Any]] | None = None
    remarks: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, work: Callable[[], Any]) -> Outcome:
        """Run work, and keep its failure as a result, so that Spark does not retry the task.

        Readers and writers retry transient failures themselves, so what fails here would fail on any executor. Spark
        retries the tasks of lost executors.
        """
        outcome, warnings = cls(), _Warnings()
        logger = logging.getLogger(_OURS)
        logger.addHandler(warnings)
        try:
            outcome.value = work()
        except (LakeError, FineTimesMet) as error:
            outcome.error = _fields_of(error)
        except Exception as error:
            text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            outcome.error = _fields_of(UnforeseenError(text, remedy=UnforeseenError.WHERE))
        finally:
            logger.removeHandler(warnings)
        outcome.remarks = warnings.remarks
        return outcome

    def packed(self) -> bytes:
        """The pickled outcome, for the driver."""
        return pickle.dumps(self)

    def result(self) -> Any:
        """The result.

        Raises:
            LakeError: The task failed.
        """
        if self.error is not None:
            raise _rebuilt(*self.error)
        return self.value


def unpacked(outcome: bytes) -> Outcome:
    """Read an outcome that a task pickled."""
    found = pickle.loads(outcome)  # noqa: S301 - pickled by a process of ours
    assert isinstance(found, Outcome)
    return found


def tell(outcomes: list[Outcome]) -> None:
    """Log the remarks of tasks, each once."""
    for remark in dict.fromkeys(remark for each in outcomes for remark in each.remarks):
        log.warning("%s", remark)


@contextmanager
def spark_errors(doing: str) -> Iterator[None]:
    """A context that converts errors of Spark, without the stack traces of the JVM.

    Args:
        doing: The work under way, after "Spark could not": `parse the files`.

    Raises:
        EngineError: Spark failed.
        LakeError: An error of the project that the context raised.
    """
    try:
        yield
    except (LakeError, FineTimesMet):
        raise
    except ConnectionError:
        # Of the socket by which Python drives the JVM.
        raise _engine_error(doing, "its process has ended") from None
    except Exception as error:
        if not type(error).__module__.startswith(("py4j", "pyspark")):
            raise
        raise _engine_error(doing, _message_of(error)) from None


def _engine_error(doing: str, text: str) -> EngineError:
    remedy = (
        "See its own log and those of its executors; where executors were killed, give them more memory "
        "(`spark: {conf: {spark.executor.memoryOverhead: ...}}`) or smaller tasks (`rows_per_task`)"
    )
    if "No module named" in text:
        remedy = "Give executors the packages of the driver: `python`, `archives` or `py_files` of the section `spark`"
    return EngineError(f"Spark could not {doing}: {text}; the table is unchanged", remedy=remedy)


def _message_of(error: Exception) -> str:
    cause = getattr(error, "java_exception", None)
    text = str(cause.getMessage() if cause is not None else error) or type(error).__name__
    text = text.split("\n\tat ")[0].split("\nDriver stacktrace")[0].split("\nJVM stacktrace")[0].strip()
    if "Traceback (most recent call last)" in text:
        # The last line of an executor's traceback in Python.
        text = text.rpartition("\n")[2]
    return redact(" ".join(text.split()))[:_LONGEST]


class _Warnings(logging.Handler):
    """Keeps the messages of logged warnings."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.remarks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.remarks.append(record.getMessage())


def _fields_of(error: Exception) -> tuple[str, str, tuple[Any, ...], dict[str, Any]]:
    kind = type(error)
    return kind.__module__, kind.__qualname__, error.args, dict(vars(error))


def _rebuilt(module: str, name: str, arguments: tuple[Any, ...], state: dict[str, Any]) -> Exception:
    # Not by calling the class: constructors of some errors take other arguments than `args` holds.
    kind = getattr(importlib.import_module(module), name)
    error: Exception = kind.__new__(kind)
    error.args = arguments
    error.__dict__.update(state)
    return error

"""What becomes of a task: its result or our error, and what is to be said; and errors of Spark itself, as ours."""

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
    """What became of a task.

    Attributes:
        value: Its result.
        error: What it failed with: the class, and what the error holds.
        remarks: What was logged for people meanwhile.
    """

    value: Any = None
    error: tuple[str, str, tuple[Any, ...], dict[str, Any]] | None = None
    remarks: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, work: Callable[[], Any]) -> Outcome:
        """Do work; its failure is a result like any other, which Spark does not try again.

        What fails here fails everywhere: readers and writers try again themselves what can pass. An executor that is
        lost is another matter, and Spark's.
        """
        outcome, heard = cls(), _Heard()
        logger = logging.getLogger(_OURS)
        logger.addHandler(heard)
        try:
            outcome.value = work()
        except (LakeError, FineTimesMet) as error:
            outcome.error = _taken(error)
        except Exception as error:
            text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            outcome.error = _taken(UnforeseenError(text, remedy=UnforeseenError.WHERE))
        finally:
            logger.removeHandler(heard)
        outcome.remarks = heard.remarks
        return outcome

    def packed(self) -> bytes:
        """The outcome for the driver."""
        return pickle.dumps(self)

    def result(self) -> Any:
        """The result.

        Raises:
            LakeError: What the task failed with.
        """
        if self.error is not None:
            raise _given(*self.error)
        return self.value


def unpacked(outcome: bytes) -> Outcome:
    """An outcome that a task packed."""
    found = pickle.loads(outcome)  # noqa: S301 - of a process of ours
    assert isinstance(found, Outcome)
    return found


def tell(outcomes: list[Outcome]) -> None:
    """Say, once each, what tasks had to say."""
    for remark in dict.fromkeys(remark for each in outcomes for remark in each.remarks):
        log.warning("%s", remark)


@contextmanager
def spark_errors(doing: str) -> Iterator[None]:
    """Tell what Spark itself could not do, without the traces of its own process.

    Args:
        doing: What it was to do: `take files apart`.

    Raises:
        EngineError: It could not.
        LakeError: What the context raises of ours.
    """
    try:
        yield
    except (LakeError, FineTimesMet):
        raise
    except Exception as error:
        if not type(error).__module__.startswith(("py4j", "pyspark")):
            raise
        raise _told(doing, _said(error)) from None


def _told(doing: str, said: str) -> EngineError:
    remedy = (
        "Its own log, and those of its executors, say more; where these were killed, give them more memory "
        "(`spark: {conf: {spark.executor.memoryOverhead: ...}}`) or smaller tasks (`rows_per_task`)"
    )
    if "No module named" in said:
        remedy = "Give executors the packages of the driver: `python`, `archives` or `py_files` of the section `spark`"
    return EngineError(f"Spark could not {doing}: {said}; the table is unchanged", remedy=remedy)


def _said(error: Exception) -> str:
    cause = getattr(error, "java_exception", None)
    text = str(cause.getMessage() if cause is not None else error) or type(error).__name__
    text = text.split("\n\tat ")[0].split("\nDriver stacktrace")[0].split("\nJVM stacktrace")[0].strip()
    if "Traceback (most recent call last)" in text:
        # What the Python of an executor said at last.
        text = text.rpartition("\n")[2]
    return redact(" ".join(text.split()))[:_LONGEST]


class _Heard(logging.Handler):
    """Keeps what is logged for people."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.remarks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.remarks.append(record.getMessage())


def _taken(error: Exception) -> tuple[str, str, tuple[Any, ...], dict[str, Any]]:
    kind = type(error)
    return kind.__module__, kind.__qualname__, error.args, dict(vars(error))


def _given(module: str, name: str, arguments: tuple[Any, ...], state: dict[str, Any]) -> Exception:
    # Not by calling the class: the arguments of some are not those of the exception.
    kind = getattr(importlib.import_module(module), name)
    error: Exception = kind.__new__(kind)
    error.args = arguments
    error.__dict__.update(state)
    return error

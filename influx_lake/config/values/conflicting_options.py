"""Validation errors for options of one model that contradict each other."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import InitErrorDetails


class Contradiction(ValueError):
    """The contradiction."""


def contradiction(message: str, *option: str | int) -> ValidationError:
    """The error that a model's validator raises, with the path of the option to change.

    Args:
        message: The mistake, and what would be right.
        option: The option's path in the model.
    """
    error = InitErrorDetails(type="value_error", loc=option, input=None, ctx={"error": Contradiction(message)})
    return ValidationError.from_exception_data("options", [error])

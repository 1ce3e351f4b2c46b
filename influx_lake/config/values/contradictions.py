"""Options of one entry that are right one by one and cannot be right together."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import InitErrorDetails


class Contradiction(ValueError):
    """Why options cannot be right together."""


def contradiction(message: str, *option: str | int) -> ValidationError:
    """What a model raises of itself, with the place of the option that should be another one.

    Args:
        message: What is wrong, and what would be right.
        option: Where the option is, from the model on.
    """
    error = InitErrorDetails(type="value_error", loc=option, input=None, ctx={"error": Contradiction(message)})
    return ValidationError.from_exception_data("options", [error])

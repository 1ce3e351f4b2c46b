from __future__ import annotations

import dagster as dg
import pytest

from influx_lake.config import Secret
from influx_lake.errors import AuthenticationFailed, LakeError, SourceUnavailable
from influx_lake.orchestration.failures import as_failure, failing_clearly


def attempts(error: Exception) -> int:
    """How often an asset runs that fails with an error and may be tried three times."""
    tries = 0

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=2))
    def flaky() -> None:
        nonlocal tries
        tries += 1
        with failing_clearly("cpu"):
            raise error

    dg.materialize([flaky], raise_on_error=False)
    return tries


def test_only_what_may_pass_is_tried_again() -> None:
    assert attempts(SourceUnavailable("the server is away")) == 3
    assert attempts(AuthenticationFailed("the token was refused")) == 1


def test_the_failure_shows_the_whole_error() -> None:
    error = LakeError("it broke", remedy="Mend it", measurement="cpu", window="a/b")

    failure = as_failure(error)

    assert failure.description == str(error)
    shown = {name: entry.value for name, entry in failure.metadata.items()}
    assert shown.pop("trace").startswith("```")
    assert shown == {
        "error": "LakeError",
        "measurement": "cpu",
        "window": "a/b",
        "remedy": "Mend it",
        "transient": False,
    }


def test_an_error_that_is_not_ours_passes_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), failing_clearly("cpu"):
        raise ZeroDivisionError


def test_an_error_that_holds_a_secret_is_reported_without_it() -> None:
    token = Secret("a-long-and-secret-token").reveal()

    with pytest.raises(dg.Failure) as caught, failing_clearly("cpu"):
        raise ValueError(f"bad header {token}")

    assert caught.value.description == "ValueError: bad header **********"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert token not in str(caught.value.metadata)

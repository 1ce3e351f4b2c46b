"""The stores of references: files, AWS Secrets Manager, AWS SSM; `lake_store` adds the lake.yaml itself.

Stores are read when a value is used, not when a lake.yaml is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from influx_lake.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping


LAKE = "lake"
"""The store for values written in a lake.yaml, used in Dagster's configuration only."""


def look_up(store: str, what: str, root: Path) -> str:
    """Read a value from a store.

    Args:
        store: One of `STORES`.
        what: The value's name in the store.
        root: The base of relative paths.

    Raises:
        ConfigurationError: The store does not have the value.
    """
    return STORES[store](what, root)


def lake_reference(lake: Path, *location: str) -> str:
    """The reference to the value at a path of a lake.yaml."""
    return f"${{{LAKE}:{quote(str(lake))}#{'/'.join(quote(part, safe='') for part in location)}}}"


def _read_file(name: str, root: Path) -> str:
    path = root / Path(name).expanduser()
    try:
        value = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise ConfigurationError(f"the file {path} does not hold UTF-8 text") from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigurationError(
            f"the file {path} cannot be read: {reason}", remedy="Create it, or change the ${file:...} that names it"
        ) from None
    if not value:
        raise ConfigurationError(f"the file {path} is empty", remedy="Write the value into it")
    return value


def _read_aws_secret(what: str, _root: Path) -> str:
    import boto3  # type: ignore[import-untyped]

    # A session of its own: the default one keeps the credentials that it found first.
    name, _, key = what.partition("#")
    subject = f"the AWS secret {name}"
    answer = _ask_aws(subject, lambda: boto3.Session().client("secretsmanager").get_secret_value(SecretId=name))
    text = answer.get("SecretString")
    if text is None:
        raise ConfigurationError(f"{subject} is binary", remedy="Store it as text")
    return _member(text, key, subject) if key else str(text)


def _read_aws_parameter(what: str, _root: Path) -> str:
    import boto3

    subject = f"the AWS parameter {what}"
    answer = _ask_aws(subject, lambda: boto3.Session().client("ssm").get_parameter(Name=what, WithDecryption=True))
    return str(answer["Parameter"]["Value"])


def _member(text: str, key: str, subject: str) -> str:
    try:
        members = json.loads(text)
    except ValueError:
        members = None
    if not isinstance(members, dict):
        raise ConfigurationError(f"{subject} is not a JSON object, so it has no key {key}", remedy=f"Leave out #{key}")
    if key not in members:
        raise ConfigurationError(
            f"{subject} has no key {key}", remedy=f"It has: {', '.join(sorted(members)) or 'none'}"
        )
    return str(members[key])


def _ask_aws(subject: str, ask: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

    try:
        return ask()
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        reason = _AWS_REASONS.get(code, (f"AWS refused ({code})", "Check the name and what the credentials allow"))
    except BotoCoreError as error:
        name = type(error).__name__
        reason = _AWS_REASONS.get(name, (f"AWS could not be asked ({name})", "Check the AWS settings of this machine"))
    # `from None`: AWS's messages repeat requests, which may contain secrets.
    raise ConfigurationError(f"{subject} cannot be read: {reason[0]}", remedy=reason[1]) from None


_ALLOW = "Give a role or keys that may read it (AWS_PROFILE, AWS_ACCESS_KEY_ID, an instance role)"
_AWS_REASONS = {
    "ResourceNotFoundException": ("there is none of this name", "Check the name and AWS_REGION"),
    "ParameterNotFound": ("there is none of this name", "Check the name and AWS_REGION"),
    "AccessDeniedException": ("these AWS credentials may not read it", _ALLOW),
    "UnrecognizedClientException": ("AWS does not know these credentials", _ALLOW),
    "ExpiredTokenException": ("the AWS session has expired", "Log in again"),
    "NoCredentialsError": ("there are no AWS credentials here", _ALLOW),
    "NoRegionError": ("no AWS region is set", "Set AWS_DEFAULT_REGION"),
    "EndpointConnectionError": ("AWS cannot be reached", "Check the network and AWS_DEFAULT_REGION"),
}

STORES: dict[str, Callable[[str, Path], str]] = {
    "file": _read_file,
    "aws-secret": _read_aws_secret,
    "aws-ssm": _read_aws_parameter,
}

USER_STORES = ("file", "aws-secret", "aws-ssm")
"""The stores that a lake.yaml may refer to."""

"""Starts and finds sandboxes of lakes on this machine; tokens are in files that only their owner can read."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from influx_lake.errors import ConfigurationError, StorageError
from influx_lake.private_folders import make_private

if TYPE_CHECKING:
    from influx_lake.config import InfluxDB3Config, Lake, SourceConfig
    from influx_lake.sandbox import Sandbox

SANDBOX_FOLDER = Path(".lake") / "sandbox"
"""The folder of a lake's sandbox, relative to that of the lake.yaml."""


def token_file(folder: Path) -> Path:
    """The path of a sandbox's token."""
    return folder / "token"


@contextmanager
def running_sandbox(
    folder: Path, *, host: str = "127.0.0.1", port: int = 0, in_memory: bool = False
) -> Iterator[Sandbox]:
    """A context with a running sandbox, whose token is the same at every start.

    Args:
        folder: The folder of data and token.
        host: Where it listens.
        port: Its port; 0 takes a free one.
        in_memory: Whether only the token is kept in the folder.

    Raises:
        MissingExtra: The sandbox's packages are not installed.
        ConfigurationError: The port is taken.
        StorageError: The folder cannot be used.
    """
    from influx_lake.sandbox import Sandbox

    if port:
        _check_free(host, port)
    token = _token(token_file(folder))
    with Sandbox(None if in_memory else folder, host=host, port=port, token=token) as box:
        yield box


def is_listening(host: str, port: int) -> bool:
    """Whether something accepts connections at an address."""
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False


def _check_free(host: str, port: int) -> None:
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            remedy="Give another --port (0 takes a free one), or stop what uses this one",
        ) from None


def _token(path: Path) -> str:
    """The token in a file, which is created where it is missing."""
    from influx_lake.sandbox.api.auth import new_token

    try:
        make_private(path.parent)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            if token := path.read_text(encoding="utf-8").strip():
                return token
            descriptor = os.open(path, os.O_WRONLY)
        token = new_token()
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(token + "\n")
    except OSError as error:
        raise StorageError(
            f"the sandbox's token cannot be kept in {path}: {error.strerror or error}",
            remedy="Give a folder that this user may write to: --data-dir",
        ) from None
    return token


@contextmanager
def sandbox_of(lake: Lake) -> Iterator[Sandbox | None]:
    """A context that runs a lake's own sandbox, where it has data, a source points to this machine and nothing answers
    there; None otherwise.
    """
    for config in lake.sources.values():
        if not may_be_sandbox(config, lake):
            continue
        host, port = config.address.host, config.address.port
        if not is_listening(host, port):
            listen = "127.0.0.1" if host == "localhost" else host
            with running_sandbox(lake.root / SANDBOX_FOLDER, host=listen, port=port) as box:
                yield box
            return
    yield None


def may_be_sandbox(source: SourceConfig, lake: Lake) -> TypeGuard[InfluxDB3Config]:
    """Whether a source is an InfluxDB 3 on this machine and the lake's sandbox has data."""
    from influx_lake.config import InfluxDB3Config

    if not isinstance(source, InfluxDB3Config):
        return False
    here = not source.address.secure and _is_loopback(source.address.host)
    return here and (lake.root / SANDBOX_FOLDER / "databases").is_dir()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

"""Validates paths and URLs: local files, object stores, web servers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, ValidationInfo

from influx_lake.config.report.diagnostics import suggestion
from influx_lake.config.values.address import Address
from influx_lake.errors import ConfigurationError

AZURE = ("abfs", "abfss", "wasb", "wasbs")
"""The URL schemes of Azure storage."""
STORES = ("s3", "s3a", "s3n", "oss", "gs", "gcs", *AZURE, "hdfs", "viewfs", "file")
"""The URL schemes of object stores and file systems that PyArrow reads."""
WEB = ("http", "https")

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")


def scheme_of(location: str) -> str | None:
    """A URL's scheme in lower case; None for a path."""
    found = _SCHEME.match(location)
    return found[1].lower() if found else None


def has_one_slash(location: str, known: Iterable[str]) -> bool:
    """Whether a URL has one slash where it needs two; `file:/folder` is valid."""
    scheme = scheme_of(location)
    return scheme not in (None, "file") and scheme in known and not location[location.index(":") :].startswith("://")


def check_scheme(location: str, known: Iterable[str]) -> str:
    """Check that a URL's scheme is supported.

    Raises:
        ValueError: It is not.
    """
    known = tuple(known)
    scheme = scheme_of(location)
    if scheme is None and "://" in location:
        raise ValueError("is no address: it has no scheme before ://")
    if scheme is not None and scheme not in known:
        shown = ", ".join(f"{each}://" for each in known)
        raise ValueError(f"starts with {scheme}://, which is none of {shown}{suggestion(scheme, known)}")
    if has_one_slash(location, known):
        raise ValueError(f"has one slash behind {scheme}: and needs two, {scheme}://")
    if scheme in ("s3", "s3a", "s3n", "gs", "gcs", *AZURE, *WEB) and not location.partition("://")[2].strip("/"):
        raise ValueError(f"names nothing behind {scheme}://")
    return location


def absolute_path(path: str, info: ValidationInfo) -> str:
    """A path or URL; relative local paths are below the folder of the lake.yaml.

    Raises:
        ValueError: There is no home folder for its `~`.
    """
    return path if scheme_of(path) else str(_below_root(Path(path), info))


def stored_path(path: str, info: ValidationInfo) -> str:
    """A path, or a complete URL of an object store.

    Raises:
        ValueError: It is neither.
    """
    return absolute_path(check_scheme(path, STORES), info)


def _below_root(path: Path, info: ValidationInfo) -> Path:
    root = info.context.get("root") if isinstance(info.context, dict) else None
    try:
        return (root or Path.cwd()) / path.expanduser()
    except RuntimeError:
        raise ValueError(f"starts with {path.parts[0]}, and there is no home folder of that name") from None


def _local(path: Path, info: ValidationInfo) -> Path:
    if scheme_of(str(path)):
        raise ValueError("is an address: give a path on this machine")
    return _below_root(path, info)


def web_mistake(text: str) -> str | None:
    """The mistake in a web server's URL; None where it is valid."""
    try:
        parts = urlsplit(text)
        if parts.scheme.lower() not in WEB or not parts.netloc or text != "".join(text.split()):
            return "is not the address of a web server: write https://dagster.example.com"
        Address.parse(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")
    except ValueError:
        return "is not the address of a web server: write https://dagster.example.com"
    except ConfigurationError as error:
        return str(error)
    return None


def _web_address(text: str) -> str:
    if mistake := web_mistake(text):
        raise ValueError(mistake)
    return text


LocalFile = Annotated[Path, AfterValidator(_local)]
"""A local path; relative ones are below the folder of the lake.yaml."""

WebAddress = Annotated[str, AfterValidator(_web_address)]
"""The URL of a web server."""

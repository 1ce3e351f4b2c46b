"""JSON files next to the lake that keep what sources said, so that loading a lake asks no server."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from influx_lake.errors import ConfigurationError
from influx_lake.private_folders import make_private


def read_state(path: Path) -> Any:
    """What the file holds: an empty mapping where there is none, None where it is not JSON.

    Raises:
        ConfigurationError: It cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        return None


def write_state(path: Path, known: Any) -> Path:
    """Write the file: a reader sees the old one or the new one, never a part.

    Raises:
        ConfigurationError: It cannot be written.
    """
    try:
        make_private(path.parent)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=path.name, delete=False
        ) as file:
            json.dump(known, file, indent=1, sort_keys=True)
            file.write("\n")
        os.replace(file.name, path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}") from None
    return path

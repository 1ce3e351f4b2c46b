"""What was found in the sources, for patterns: a file next to the lake, so that loading a lake asks no server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from influx_lake.config.sources.state_file import read_state, write_state
from influx_lake.errors import ConfigurationError

STATE = Path(".lake") / "measurements.json"
GONE = Path(".lake") / "measurements-gone.json"
"""Those of them that the sources no longer have: their tables stay."""


def read_discovered(root: Path, state: Path = STATE) -> dict[str, tuple[str, ...]]:
    """The measurements that were last found in each source; nothing where none were looked for.

    Args:
        root: The lake's folder.
        state: Which file of it: `STATE`, or `GONE`.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    path = root / state
    known = read_state(path)
    if not _is_state(known):
        raise ConfigurationError(
            f"{path} does not hold the measurements of each source",
            remedy="Delete it and let `influx-lake discover` write it again",
        )
    return {source: tuple(names) for source, names in known.items()}


def write_discovered(
    root: Path, found: Mapping[str, Iterable[str]], state: Path = STATE, *, groups: Iterable[str] = ()
) -> Path:
    """Keep what was found; sources that are not in `found` keep what is known of them.

    Args:
        root: The lake's folder.
        found: The measurements of sources.
        state: Which file of it: `STATE`, or `GONE`.
        groups: The entries whose databases are all in `found`: any other of theirs is gone.

    Returns:
        The file.

    Raises:
        ConfigurationError: The file cannot be read or written.
    """
    path = root / state
    prefixes = tuple(f"{group}/" for group in groups)
    kept = {source: names for source, names in read_discovered(root, state).items() if not source.startswith(prefixes)}
    known = {**kept, **{source: tuple(sorted(set(names))) for source, names in found.items()}}
    return write_state(path, known)


def _is_state(known: object) -> bool:
    return isinstance(known, dict) and all(
        isinstance(names, list) and all(isinstance(name, str) for name in names) for names in known.values()
    )

"""The section `storage`: named object store properties that the catalog and sources share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from influx_lake.config.catalogs import value_mistakes
from influx_lake.config.catalogs.options import is_secret_name
from influx_lake.config.catalogs.store_properties import name_mistakes
from influx_lake.config.references.secret import Secret
from influx_lake.config.report.diagnostics import Location, Report, suggestion
from influx_lake.config.report.excerpts import text_mistake

Profile = Mapping[str, str | Secret]
"""pyiceberg's properties of a store, with `Secret`s."""

LONGEST_NAME = 128
"""The longest name of an entry, in characters."""
_NAME = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_-]{{0,{LONGEST_NAME - 1}}}")


def read_profiles(entries: Mapping[str, Any], report: Report, root: Path, lake: Path | None) -> dict[str, Profile]:
    """Read the entries by name. Mistakes are reported.

    Args:
        entries: The section.
        report: Collects the mistakes.
        root: The base of relative paths.
        lake: The lake.yaml, if any.
    """
    profiles: dict[str, Profile] = {}
    for name, written in entries.items():
        location = ("storage", name)
        if _NAME.fullmatch(name) is None:
            report.mistake(location, f"is not a name: letters, digits, _ and -, {LONGEST_NAME} at most")
        properties = written if isinstance(written, dict) else {}
        if not properties and not report.has_lost_below(location):
            report.mistake(location, "must hold properties, such as `s3.endpoint`")
        found: dict[str, str | Secret] = {}
        for key, text in properties.items():
            if not isinstance(text, str) or not text:
                report.mistake((*location, key), "must be a text")
            elif is_secret_name(key):
                found[key] = Secret(text, root=root, lake=lake, location=(*location, key))
            else:
                found[key] = text
        # A missing half of a pair of keys is a consequence of a typo in the other half's name.
        whole = found.keys() == properties.keys()
        for key, mistake in tuple(name_mistakes(properties)) or (value_mistakes(found) if whole else ()):
            report.mistake((*location, key), mistake)
        profiles[name] = found
    return profiles


def profile_of(name: str, profiles: Mapping[str, Profile], location: Location, report: Report) -> Profile:
    """The entry of a name; an unknown one is reported."""
    if name not in profiles:
        known = f"; there are: {', '.join(profiles)}" if profiles else ""
        missing = f"{name!r} is no entry of `storage`{suggestion(name, profiles) or known}"
        report.mistake(location, text_mistake(name, longest=LONGEST_NAME) or missing)
    return profiles.get(name, {})

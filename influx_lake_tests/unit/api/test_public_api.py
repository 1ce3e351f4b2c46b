"""The names that docs/python.md calls public are what they were; `make snapshot` writes their signatures anew."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import griffe
import pytest

ROOT = Path(__file__).parents[3]
SNAPSHOT = Path(__file__).with_name("public_api.txt")
WRITE = "INFLUX_LAKE_WRITE_SNAPSHOT"
IMPORTED = re.compile(r"^from (influx_lake[\w.]*) import ([\w, ]+)", re.MULTILINE)


@pytest.fixture(scope="module")
def package() -> griffe.Object | griffe.Alias:
    """The package as it is written: nothing is imported, so that each version of Python shows the same."""
    return griffe.load("influx_lake", search_paths=[ROOT])


def public_names() -> list[str]:
    return re.findall(r"^\| `([\w.]+)` \|", (ROOT / "docs/python.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_public_names_are_what_they_were(package: griffe.Object | griffe.Alias) -> None:
    shown = "".join(f"{line}\n" for name in public_names() for line in described(package, name))
    if os.environ.get(WRITE):
        SNAPSHOT.write_text(shown, encoding="utf-8")

    assert shown.splitlines() == SNAPSHOT.read_text(encoding="utf-8").splitlines(), "`make snapshot` writes it anew"


def test_what_the_docs_import_is_public() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    found = {
        f"{module}.{name.strip()}": page.name
        for page in pages
        for module, names in IMPORTED.findall(page.read_text(encoding="utf-8"))
        for name in names.split(",")
    }
    assert found
    assert {name: page for name, page in found.items() if name not in public_names()} == {}


def described(package: griffe.Object | griffe.Alias, name: str) -> Iterator[str]:
    """A public name as lines of text: its signature, and those of its public members."""
    # A name of the package that is imported only when it is asked for.
    found = package[name.partition(".")[2]]
    found = found.final_target if found.is_alias else found
    if found.is_module:
        for member in found.members.values():
            if not member.is_alias and member.is_class:
                yield from lines_of(f"{name}.{member.name}", member, member.members)
    else:
        yield from lines_of(name, found, found.all_members)


def lines_of(name: str, found: griffe.Object, members: Mapping[str, griffe.Object | griffe.Alias]) -> Iterator[str]:
    yield name + signature(found)
    for member_name, member in sorted(members.items() if found.is_class else ()):
        if member_name == "__init__" or not member_name.startswith("_"):
            yield f"    .{member_name}{signature(member.final_target if member.is_alias else member)}"


def signature(found: griffe.Object) -> str:
    """What a caller has to know of a class, a function or an attribute."""
    match found:
        case griffe.Class():
            return f"({', '.join(map(str, found.bases))})"
        case griffe.Function():
            return re.sub(r"\s+", " ", found.signature()).removeprefix(found.name)
        case griffe.Attribute():
            # Nobody depends on the value of a default, only on there being one.
            default = " = ..." if found.value is not None else ""
            return f": {found.annotation}{default}" if found.annotation else ""
    raise TypeError(f"{found.path} is no class, function or attribute")

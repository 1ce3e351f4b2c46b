"""How data sets are named and described."""

from __future__ import annotations

import pytest

from influx_lake.lineage.datasets import _without_credentials


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("sqlite:////tmp/x/catalog.db", "sqlite:////tmp/x/catalog.db"),
        ("sqlite:///a@b/c@d.db", "sqlite:///a@b/c@d.db"),
        ("postgresql+psycopg://user:very-secret@db:5432/lake?sslmode=require", "postgresql+psycopg://db:5432/lake"),
        ("postgresql://user:very/secret?#x@db/lake", "postgresql://db/lake"),
        ("https://very-secret@catalog.example.com/api", "https://catalog.example.com/api"),
        ("https://catalog.example.com/api?token=very-secret#very-secret", "https://catalog.example.com/api"),
        ("", ""),
    ],
)
def test_addresses_of_catalogs_are_reported_as_they_are_without_credentials(uri: str, told: str) -> None:
    assert _without_credentials(uri) == told

"""Links to runs, assets and checks in Dagster's webserver."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

import dagster as dg


def asset_path(key: dg.AssetKey) -> str:
    """The path of an asset's page in the webserver."""
    return f"/assets/{'/'.join(quote(part, safe='') for part in key.path)}"


@dataclass(frozen=True, slots=True)
class Links:
    """Links into the webserver; each is None where `alerts.base_url` is not set.

    Attributes:
        base_url: The webserver's address, without a slash at its end.
    """

    base_url: str | None

    def run(self, run_id: str) -> str | None:
        """The link to a run."""
        return f"{self.base_url}/runs/{run_id}" if self.base_url else None

    def asset(self, key: dg.AssetKey) -> str | None:
        """The link to an asset."""
        return f"{self.base_url}{asset_path(key)}" if self.base_url else None

    def check(self, key: dg.AssetKey, name: str) -> str | None:
        """The link to a check of an asset."""
        asset = self.asset(key)
        return f"{asset}?view=checks&checkDetail={quote(name, safe='')}" if asset else None

"""The meaning of known errors: our error class, what failed and how, and the remedy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from influx_lake.errors import CatalogRefused, CatalogUnavailable, LakeError
from influx_lake.iceberg.failures.exceptions import text_of


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of a known error.

    Attributes:
        kind: Our error class for it.
        problem: What failed, and how.
        remedy: What to do, where that is known.
    """

    kind: type[LakeError]
    problem: str
    remedy: str | None = None

    def of(self, error: BaseException, doing: str) -> LakeError:
        """Build our error: the operation, the meaning, and the original text."""
        return self.kind(f"could not {doing}: {self.problem} ({text_of(error)})", remedy=self.remedy)


def first(names: set[str], meanings: Iterable[tuple[set[str], Meaning]]) -> Meaning | None:
    """The meaning of the first set that contains one of an error's names or codes."""
    return next((meaning for classes, meaning in meanings if names & classes), None)


UNREACHABLE = Meaning(
    CatalogUnavailable,
    "the catalog cannot be reached",
    "Check that the catalog runs and that `catalog:` in lake.yaml has its address",
)
NO_HOST = Meaning(
    CatalogUnavailable,
    "its host's name has no address",
    "Correct the host in `uri` under `catalog:` in lake.yaml, or this machine's name resolution (DNS)",
)
NOT_IN_TIME = Meaning(
    CatalogUnavailable,
    "the catalog did not answer in time",
    "Check that the catalog is well and that `uri` under `catalog:` in lake.yaml is its address; `timeout` there is "
    "the longest wait",
)
NO_ENTRY = Meaning(CatalogRefused, "the catalog refused access", "Check the credentials under `catalog:` in lake.yaml")
NO_RIGHT = Meaning(
    CatalogRefused,
    "the catalog refused access",
    "Check the credentials under `catalog:` in lake.yaml, and that they have the right to do this",
)
BUSY = Meaning(
    CatalogUnavailable,
    "the catalog cannot serve this now",
    "Run it again later; the catalog's own log has the cause",
)
NO_TLS = Meaning(
    CatalogRefused,
    "no trusted TLS connection to the catalog",
    "Name the file of the certificate authority in REQUESTS_CA_BUNDLE, or correct the host in `uri`: the certificate "
    "has to be for it",
)
NO_TLS_THERE = Meaning(
    CatalogRefused,
    "the server speaks no TLS",
    "Write http:// instead of https:// in `uri` under `catalog:` in lake.yaml, or correct the port",
)


def of_tls(error: BaseException) -> Meaning:
    """The meaning of a failed TLS handshake."""
    return NO_TLS_THERE if "WRONG_VERSION_NUMBER" in str(error) or "RECORD_LAYER_FAILURE" in str(error) else NO_TLS

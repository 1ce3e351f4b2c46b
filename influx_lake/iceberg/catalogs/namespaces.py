"""Creates namespaces in a catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from influx_lake.iceberg.failures.commit_outcome import Outcome, outcome_of

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


def make_namespace(catalog: Catalog, namespace: tuple[str, ...]) -> tuple[str, ...] | None:
    """Create a namespace where it is missing, and its parents where the catalog requires them first.

    REST catalogs answer 404 to a namespace whose parent is missing, Nessie also 409, which pyiceberg takes for a
    namespace that exists already; SQL catalogs know no parents.

    Returns:
        The topmost namespace that was created, or None.
    """
    from pyiceberg.exceptions import NamespaceAlreadyExistsError
    from sqlalchemy.exc import IntegrityError

    if catalog.namespace_exists(namespace):
        return None
    try:
        catalog.create_namespace(namespace)
    except (NamespaceAlreadyExistsError, IntegrityError):
        if len(namespace) < 2 or catalog.namespace_exists(namespace):
            return None
    except Exception as error:
        if len(namespace) < 2 or outcome_of(error) is not Outcome.REFUSED:
            raise
    else:
        return namespace
    made = make_namespace(catalog, namespace[:-1])
    try:
        catalog.create_namespace(namespace)
    except (NamespaceAlreadyExistsError, IntegrityError):
        return made
    return made or namespace

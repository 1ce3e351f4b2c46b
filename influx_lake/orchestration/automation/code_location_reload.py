"""Reloads the code location in Dagster's webserver."""

from __future__ import annotations

import os
from typing import Any

from influx_lake.config import redact

WEBSERVER_VARIABLE = "INFLUX_LAKE_WEBSERVER"
_BY_HAND = "The daemon reloads the definitions within a minute; in the UI press Reload on the page Deployment"
_PATIENCE_SECONDS = 120
_RELOAD = """
mutation Reload($name: String!) {
  reloadRepositoryLocation(repositoryLocationName: $name) {
    __typename
    ... on WorkspaceLocationEntry { locationOrLoadError { __typename ... on PythonError { message } } }
    ... on UnauthorizedError { message }
    ... on ReloadNotSupported { message }
    ... on RepositoryLocationNotFound { message }
  }
}
"""


def reload_code_location(name: str, webserver: str | None) -> str:
    """Ask the webserver to reload a code location.

    The daemon reloads definitions every minute; a webserver that keeps the code location's process does not.

    Args:
        name: The code location.
        webserver: The webserver's address; None: that of $INFLUX_LAKE_WEBSERVER.

    Returns:
        The result, for the tick's page.
    """
    address = webserver or os.environ.get(WEBSERVER_VARIABLE)
    if not address:
        return f"{_BY_HAND}, or set discovery.webserver."
    import requests

    content: dict[str, Any] = {"query": _RELOAD, "variables": {"name": name}}
    try:
        reply = requests.post(f"{address.rstrip('/')}/graphql", json=content, timeout=_PATIENCE_SECONDS)
        reply.raise_for_status()
        answer = reply.json()["data"]["reloadRepositoryLocation"]
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        return f"The webserver at {address} did not reload them: {redact(str(error))}. {_BY_HAND}."
    failure = answer.get("message") or (answer.get("locationOrLoadError") or {}).get("message")
    return f"The definitions could not be loaded: {redact(failure)}" if failure else "The definitions were reloaded."

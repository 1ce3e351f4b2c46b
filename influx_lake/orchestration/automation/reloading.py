"""Makes Dagster reload the definitions."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request

from influx_lake.config import redact

WEBSERVER_VARIABLE = "INFLUX_LAKE_WEBSERVER"
_BY_HAND = "The daemon loads the definitions anew within a minute; in the UI press Reload on the page Deployment"
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
    """Ask the webserver to load a code location anew.

    The daemon does it by itself every minute; the webserver does not, where it keeps the code location's process.

    Args:
        name: The code location.
        webserver: Where the webserver is; None: what the environment says.

    Returns:
        What became of it, for the tick's page.
    """
    address = webserver or os.environ.get(WEBSERVER_VARIABLE)
    if not address:
        return f"{_BY_HAND}, or set discovery.webserver."
    request = urllib.request.Request(  # noqa: S310 - an http address, checked when it was configured
        f"{address.rstrip('/')}/graphql",
        json.dumps({"query": _RELOAD, "variables": {"name": name}}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS) as reply:  # noqa: S310
            answer = json.load(reply)["data"]["reloadRepositoryLocation"]
    except (urllib.error.URLError, OSError, ValueError, KeyError, TypeError) as error:
        return f"The webserver at {address} did not load them anew: {redact(str(error))}. {_BY_HAND}."
    failure = answer.get("message") or (answer.get("locationOrLoadError") or {}).get("message")
    return f"The definitions could not be loaded: {redact(failure)}" if failure else "The definitions were loaded anew."

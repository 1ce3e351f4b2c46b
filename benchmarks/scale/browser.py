"""How long the pages of Dagster's UI take in Chromium."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.scale.processes import cpu_of

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request

WORKSPACE = "LocationWorkspaceAssetsQuery"
"""What the UI asks for once for each browser and version of the definitions: all assets, whatever page is shown."""
_IS_KEPT = f"""
async () => {{
  const named = (await indexedDB.databases()).find(({{name}}) => name.includes('{WORKSPACE.removesuffix("Query")}/'));
  if (!named) return false;
  const opening = indexedDB.open(named.name);
  return await new Promise((resolve) => {{
    opening.onsuccess = () => {{
      const counting = opening.result.transaction('cache').objectStore('cache').count();
      counting.onsuccess = () => {{ opening.result.close(); resolve(counting.result > 0); }};
    }};
    opening.onerror = () => resolve(false);
  }});
}}
"""
"""Whether the browser has the answer to `WORKSPACE` in its cache."""
_PATIENCE_SECONDS = 600
_QUIET_SECONDS = 1.5
"""How long nothing new is asked for once a page has all that it wants."""


class OpenPage:
    """A page of the UI in a browser, and what it asks the webserver for.

    Attributes:
        answered: When each query of the page was answered first: some are asked again and again.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.answered: dict[str, float] = {}
        self._page, self._url = page, url
        self._asked: set[str] = set()
        page.set_default_timeout(_PATIENCE_SECONDS * 1000)
        page.on("request", self._begins)
        page.on("requestfinished", self._ends)
        page.on("requestfailed", self._ends)

    def opened(self, path: str) -> float:
        """Open a page; the time when all that it asks for had been answered once."""
        self._asked.clear()
        self.answered.clear()
        self._page.goto(self._url + path)
        self._wait_until(self._is_shown, "the page did not get what it asked for")
        return max(self.answered.values())

    def wait_until_kept(self) -> None:
        """Wait until the browser keeps all assets, which it does after a second, as long as the page stays open."""
        self._wait_until(lambda: bool(self._page.evaluate(_IS_KEPT)), "the browser did not keep what it asked for")

    def _is_shown(self) -> bool:
        if not self._asked or not self._asked <= self.answered.keys():
            return False
        return time.monotonic() - max(self.answered.values()) > _QUIET_SECONDS

    def _wait_until(self, holds: Callable[[], bool], otherwise: str) -> None:
        until = time.monotonic() + _PATIENCE_SECONDS
        while not holds():
            if time.monotonic() > until:
                raise SystemExit(otherwise)
            self._page.wait_for_timeout(100)

    def _begins(self, request: Request) -> None:
        if name := _query_of(request):
            self._asked.add(name)

    def _ends(self, request: Request) -> None:
        if name := _query_of(request):
            self.answered.setdefault(name, time.monotonic())


def browsed(url: str, process: int, asset: Sequence[str]) -> dict[str, Any]:
    """The seconds until a page in Chromium has all that it asked for, and the CPU seconds of the servers.

    What the UI asks for once for each browser (`WORKSPACE`) is there before the pages that are measured.
    """
    from playwright.sync_api import sync_playwright

    place = "/assets/" + "/".join(asset)
    paths = {
        "overview": "/overview",
        "assets": "/assets",
        "asset": place,
        "partitions": f"{place}?view=partitions",
        "automation": "/automation",
    }
    found: dict[str, Any] = {}
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        page = OpenPage(browser.new_page(viewport={"width": 1400, "height": 1000}), url)
        began, before = time.monotonic(), cpu_of(process)
        page.opened("/assets")
        found["ui_first_s"] = round(page.answered[WORKSPACE] - began, 2)
        found["ui_first_cpu_s"] = round(cpu_of(process) - before, 2)
        page.wait_until_kept()
        asked_again = 0
        for name, path in paths.items():
            began, before = time.monotonic(), cpu_of(process)
            found[f"ui_{name}_s"] = round(page.opened(path) - began, 2)
            found[f"ui_{name}_cpu_s"] = round(cpu_of(process) - before, 2)
            asked_again += WORKSPACE in page.answered
        found["ui_asks_again"] = asked_again
        browser.close()
    return found


def _query_of(request: Request) -> str | None:
    """What a request asks the webserver for; None where it is none of its queries."""
    if "/graphql" not in request.url or request.method != "POST":
        return None
    return str(json.loads(request.post_data or "{}").get("operationName"))

"""Takes the pictures of docs/images: the tour's lake, loaded by a real daemon, seen in Dagster's UI.

Run it from the repository: `python -m docs.make_screenshots`. It takes some minutes, and needs Chromium (Debian:
`apt-get install chromium`). Everything else it starts and stops by itself.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page

from influx_lake.sandbox import Sandbox
from influx_lake_tests.e2e import fleet
from influx_lake_tests.e2e.browser import browser_page, choose_all_partitions, launch_chosen, materialize, settle
from influx_lake_tests.e2e.dagster_site import DagsterSite

IMAGES = Path(__file__).parent / "images"
ASSETS = f"/assets/{fleet.DATABASE}"
OVERVIEW = f"/assets/influx_lake/overview/{fleet.DATABASE}"
WIDE, TALL, LOW = 1400, 1000, 700


@dataclass(frozen=True)
class Photographer:
    """Somebody who clicks through the UI.

    Attributes:
        site: Dagster.
        sandbox: The source of its lake.
        page: The page of the browser.
    """

    site: DagsterSite
    sandbox: Sandbox
    page: Page

    def tour(self) -> None:
        """Take all pictures, in the order in which things happen."""
        first = fleet.first_day()
        day = fleet.days(first)[-1]
        self._backfill_by_clicking()
        others = [name for name in fleet.MEASUREMENTS if name != "cpu"]
        self._load(*others, days=fleet.days(first))
        self._load("cpu_hourly", days=fleet.days(first))
        self._see("lineage", f"{ASSETS}/cpu?view=lineage", "cpu_hourly", height=LOW)
        self._see("asset", f"{ASSETS}/cpu", "Passing")
        self._see("partitions", f"{ASSETS}/cpu?view=partitions&partition={day}", "rows_per_second")
        self._plots()
        self._see("check", f"{ASSETS}/disk?view=checks&checkDetail=values", "rows break")
        self._see("stale", f"{ASSETS}/net?view=checks&checkDetail=freshness", "have no events")
        fleet.write_late_point(self.sandbox, "mem", first)
        materialize(self.page, self.site.url + OVERVIEW)
        self._see("overview", OVERVIEW, "Somebody should look at", width=1520)
        self._failed_run(fleet.days(first)[0])

    def _backfill_by_clicking(self) -> None:
        choose_all_partitions(self.page, f"{self.site.url}{ASSETS}/cpu")
        self._take("dialog")
        launch_chosen(self.page)
        backfill = self.page.url.rpartition("/")[2]
        self._ended(backfill)
        self._see("backfill", f"/runs/b/{backfill}", "100% completed", height=LOW)

    def _load(self, *names: str, days: list[str]) -> None:
        self._ended(self.site.backfill(*([fleet.DATABASE, name] for name in names), partitions=days))

    def _ended(self, backfill: str) -> None:
        ended = self.site.ended(backfill, seconds=600)
        if ended["status"] != "COMPLETED_SUCCESS":
            sys.exit(f"the backfill ended as {ended['status']}: {self.site.failures(ended['runs'])}")

    def _plots(self) -> None:
        self._open(f"{ASSETS}/cpu", "Row count")
        self.page.get_by_role("button", name="Plots").click()
        # The plots' heads, below the one of the page.
        self.page.get_by_text("bytes", exact=True).first.evaluate("each => each.scrollIntoView()")
        self._take("plots")

    def _failed_run(self, day: str) -> None:
        fleet.lose_everything(self.sandbox)
        [run] = self.site.ended_runs(self.site.launch([fleet.DATABASE, "mem"], [day]), seconds=600)
        # The log shows its end: so much of it that the error is there too.
        self._see("run", f"/runs/{run['runId']}", "View full message", height=1200)

    def _see(self, name: str, path: str, text: str, *, width: int = WIDE, height: int = TALL) -> None:
        """Take a picture of a page once it shows a text."""
        self._open(path, text, width, height)
        self._take(name)

    def _open(self, path: str, text: str, width: int = WIDE, height: int = TALL) -> None:
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.goto(self.site.url + path)
        self.page.get_by_text(text).filter(visible=True).first.wait_for()

    def _take(self, name: str) -> None:
        settle(self.page)
        self.page.screenshot(path=IMAGES / f"{name}.png")


def main() -> None:
    """Load the week and take the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder, fleet.fleet_site(Path(folder)) as (site, sandbox), browser_page() as page:
        Photographer(site, sandbox, page).tour()


if __name__ == "__main__":
    main()

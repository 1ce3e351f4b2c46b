"""Takes the pictures of docs/images: a week of four measurements, loaded by a real daemon, seen in the UI.

Run it from the repository: `python -m docs.make_screenshots`. It needs Chromium (Debian: `apt-get install chromium`).
"""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, sync_playwright

from influx_lake.sandbox import Sandbox
from influx_lake_tests.e2e.dagster_site import DagsterSite
from influx_lake_tests.e2e.telemetry import DATABASE, LENGTH, MEASUREMENTS, days, fill, write_lake

IMAGES = Path(__file__).parent / "images"

# Where to go, and a text that is there once the page has its data.
PAGES = {
    "asset": ("/assets/telemetry/cpu?view=overview", "Row count"),
    "partitions": ("/assets/telemetry/cpu?view=partitions&partition={day}", "rows_per_second"),
    "lineage": ("/assets/telemetry/cpu?view=lineage", "cpu_hourly"),
}


def main() -> None:
    """Load the week and take the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with TemporaryDirectory() as name, Sandbox() as sandbox:
        folder = Path(name)
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        first = today - timedelta(days=LENGTH)
        fill(sandbox, first)
        write_lake(folder, sandbox, first)
        with DagsterSite(folder, {"INFLUXDB3_TOKEN": sandbox.token or ""}) as site:
            keys = [[DATABASE, measurement] for measurement in (*MEASUREMENTS, "cpu_hourly")]
            backfill = site.backfill(*keys, partitions=days(first))
            ended = site.ended(backfill, seconds=300)
            if ended["status"] != "COMPLETED_SUCCESS":
                sys.exit(f"the backfill ended as {ended['status']}: {ended['error']}")
            take(site.url, days(first)[-1])


def take(url: str, day: str) -> None:
    """Take every picture of a UI."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        # The UI forbids scripts from elsewhere, which is how the page is asked whether it still moves.
        page = browser.new_page(viewport={"width": 1400, "height": 1000}, bypass_csp=True)
        for name, (path, text) in PAGES.items():
            picture(page, url + path.format(day=day), text, IMAGES / f"{name}.png")
        browser.close()


def picture(page: Page, address: str, text: str, file: Path) -> None:
    """Take a picture of a page once it shows a text."""
    page.goto(address)
    page.get_by_text(text).first.wait_for(timeout=60_000)
    # The graph and the plots are drawn after their data has come.
    page.wait_for_function("document.getAnimations().every(each => each.playState !== 'running')")
    page.screenshot(path=file)


if __name__ == "__main__":
    main()

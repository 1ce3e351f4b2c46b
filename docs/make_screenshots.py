"""Takes the pictures of docs/images: a week of four measurements, loaded by a real daemon, seen in the UI.

Run it from the repository: `python -m docs.make_screenshots`. It needs Chromium (Debian: `apt-get install chromium`).
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, sync_playwright

from influx_lake.sandbox import Sandbox
from influx_lake_tests.e2e.dagster_site import DagsterSite
from influx_lake_tests.e2e.telemetry import DATABASE, DAYS, MEASUREMENTS, fill, write_lake

IMAGES = Path(__file__).parent / "images"

# Where to go, and a text that is there once the page has its data.
PAGES = {
    "asset": ("/assets/telemetry/cpu?view=overview", "Row count"),
    "partitions": ("/assets/telemetry/cpu?view=partitions&partition=2026-01-05", "rows_per_second"),
    "lineage": ("/assets/telemetry/cpu?view=lineage", "cpu_hourly"),
    "backfill": ("/runs/b/{backfill}?tab=partitions", "Completed"),
}


def main() -> None:
    """Load the week and take the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with TemporaryDirectory() as name, Sandbox() as sandbox:
        folder = Path(name)
        fill(sandbox)
        write_lake(folder, sandbox)
        with DagsterSite(folder, {"INFLUXDB3_TOKEN": sandbox.token or ""}) as site:
            keys = [[DATABASE, measurement] for measurement in (*MEASUREMENTS, "cpu_hourly")]
            backfill = site.backfill(*keys, partitions=DAYS)
            ended = site.ended(backfill, seconds=300)
            if ended["status"] != "COMPLETED_SUCCESS":
                sys.exit(f"the backfill ended as {ended['status']}: {ended['error']}")
            take(site.url, backfill)


def take(url: str, backfill: str) -> None:
    """Take every picture of a UI."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        for name, (path, text) in PAGES.items():
            picture(page, url + path.format(backfill=backfill), text, IMAGES / f"{name}.png")
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

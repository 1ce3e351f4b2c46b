"""Dagster's UI in Debian's Chromium."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
PATIENCE_MS = 60_000
"""A machine that is busy with runs takes its time to answer, and this one to draw."""


@contextmanager
def browser_page(height: int = 1000) -> Iterator[Page]:
    """A page of a new browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        # The UI forbids scripts from elsewhere, which is how the page is asked whether it still moves.
        page = browser.new_page(viewport={"width": 1400, "height": height}, bypass_csp=True)
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        yield page
        browser.close()


def settle(page: Page) -> None:
    """Wait until nothing moves: graphs and plots are drawn after their data have come."""
    page.wait_for_function("document.getAnimations().every(each => each.playState !== 'running')")


def choose_all_partitions(page: Page, asset: str) -> None:
    """Open an asset's page, ask to materialize it, and choose all partitions."""
    page.goto(asset)
    page.get_by_role("button", name="Materialize…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="All", exact=True).click()
    expect(dialog.get_by_role("button", name="Launch backfill")).to_be_enabled()


def launch_chosen(page: Page) -> None:
    """Launch what was chosen, and follow the link to where its progress is shown."""
    page.get_by_role("dialog").get_by_role("button", name="Launch backfill").click()
    _follow_link(page)
    page.get_by_text("Partition selection").wait_for()


def materialize(page: Page, asset: str) -> None:
    """Materialize an asset without partitions, and watch its run succeed."""
    page.goto(asset)
    page.get_by_role("button", name=re.compile("Materialize$")).click()
    _follow_link(page)
    expect(page.get_by_text("Success", exact=True).first).to_be_visible(timeout=2 * PATIENCE_MS)


def _follow_link(page: Page) -> None:
    """Follow the link that appears when something was launched."""
    page.get_by_role("link", name="View", exact=True).or_(page.get_by_role("button", name="View", exact=True)).click()


def line_heights(page: Page, plot: str) -> list[float]:
    """How high the line of a plot is, from its left end to its right one, from 0 for its lowest point to 1."""
    settle(page)
    canvas = page.locator(f"xpath=//*[text()='{plot}']/following::canvas[1]")
    canvas.scroll_into_view_if_needed()
    settle(page)
    found: list[float] = canvas.evaluate(_LINE)
    low, high = max(found), min(found)
    return [(low - y) / (low - high) for y in found]


# The mean height of the pixels that have the colour of the line, in each column that has some.
_LINE = """canvas => {
  const {width, height} = canvas, line = [];
  const pixels = canvas.getContext('2d').getImageData(0, 0, width, height).data;
  for (let x = 0; x < width; x++) {
    const ys = [];
    for (let y = 0; y < height; y++) {
      const [red, green, blue, alpha] = pixels.slice(4 * (y * width + x), 4 * (y * width + x) + 4);
      if (alpha > 200 && blue > 180 && red < 120 && green < 110) ys.push(y);
    }
    if (ys.length) line.push(ys.reduce((sum, y) => sum + y) / ys.length);
  }
  return line;
}"""

"""What somebody sees who opens a lake in Dagster's UI, and clicks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from influx_lake.sandbox import Sandbox
from influx_lake_tests.e2e import fleet
from influx_lake_tests.e2e.browser import (
    CHROMIUM,
    browser_page,
    choose_all_partitions,
    launch_chosen,
    line_heights,
    materialize,
    settle,
)
from influx_lake_tests.e2e.dagster_site import DagsterSite, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.servers,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: apt-get install chromium"),
]

DAYS = fleet.days(fleet.first_day())
ROWS = [fleet.rows_of("cpu", day) for day in range(fleet.LENGTH)]
CPU, DISK, NET, MEM = (f"/assets/{fleet.DATABASE}/{name}" for name in ("cpu", "disk", "net", "mem"))
OVERVIEW = f"/assets/influx_lake/overview/{fleet.DATABASE}"
EXPIRE = "/assets/influx_lake/maintenance/expire_snapshots"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DagsterSite, Sandbox]]:
    folder: Path = tmp_path_factory.mktemp("fleet")
    with fleet.fleet_site(folder) as served:
        yield served


@pytest.fixture(scope="module")
def site(served: tuple[DagsterSite, Sandbox]) -> DagsterSite:
    return served[0]


@pytest.fixture(scope="module")
def sandbox(served: tuple[DagsterSite, Sandbox]) -> Sandbox:
    return served[1]


@pytest.fixture(scope="module")
def page(site: DagsterSite) -> Iterator[Page]:
    with browser_page() as page:
        yield page


@pytest.fixture(scope="module")
def backfill_page(site: DagsterSite, page: Page) -> str:
    """Where the progress of cpu's backfill is shown, which was launched by clicking; all else is loaded meanwhile."""
    others = [[fleet.DATABASE, name] for name in fleet.MEASUREMENTS if name != "cpu"]
    loading = site.backfill(*others, partitions=DAYS)

    choose_all_partitions(page, site.url + CPU)
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(f"{fleet.LENGTH} partitions", exact=True)).to_be_visible()
    expect(dialog.get_by_text("with a maximum of 4 partitions per run")).to_be_visible()
    launch_chosen(page)
    address = page.url

    expect(page.get_by_text("100% completed")).to_be_visible(timeout=240_000)
    succeeded(site, address.rpartition("/")[2])
    # One run, which is looked for later.
    site.backfill([fleet.DATABASE, "cpu_hourly"], partitions=DAYS[:4])
    succeeded(site, loading)
    return address


def succeeded(site: DagsterSite, backfill: str) -> None:
    ended = site.ended(backfill, seconds=240)
    assert ended["status"] == "COMPLETED_SUCCESS", (ended, site.failures(ended["runs"]))


def node(page: Page, asset: str) -> Locator:
    """An asset in the graph."""
    return page.locator("foreignObject").filter(has=page.locator(f"a[href='{asset}?view=partitions']")).last


def entry(page: Page, key: str) -> Locator:
    """The row of a table of metadata."""
    return page.get_by_role("row").or_(page.locator("tr")).filter(has=page.get_by_text(key, exact=True)).first


def test_a_backfill_that_was_launched_by_clicking_is_shown_until_it_is_completed(
    site: DagsterSite, page: Page, backfill_page: str
) -> None:
    page.goto(backfill_page)

    expect(page.get_by_text("100% completed")).to_be_visible()
    expect(page.get_by_text(f"{DAYS[0]}...{DAYS[-1]}")).to_be_visible()
    shown = page.locator("body").inner_text()
    assert re.search(r"Status\s+Succeeded", shown)
    # Targeted, in progress, succeeded, failed.
    assert re.search(r"100% completed\s+7\s+0\s+7\s+0\b", shown)
    page.goto(f"{backfill_page}?tab=runs")
    expect(page.get_by_text("influx_lake/measurement: cpu")).to_have_count(2)
    expect(page.get_by_text("Success", exact=True)).to_have_count(2)


def test_the_page_of_an_asset_says_what_its_table_is(site: DagsterSite, page: Page, backfill_page: str) -> None:
    page.goto(site.url + CPU)

    expect(page.get_by_text(f"{sum(ROWS):,}", exact=True)).to_be_visible()
    expect(page.get_by_text("Processor time of each host in percent, every five minutes.")).to_be_visible()
    expect(page.get_by_text("One partition is one day, in UTC.")).to_be_visible()
    expect(page.get_by_text("telemetry.cpu", exact=True).filter(visible=True).first).to_be_visible()
    expect(page.get_by_text(f"{site.folder}/.lake/warehouse/telemetry/cpu").first).to_be_visible()
    expect(page.get_by_text("tier: gold")).to_be_visible()
    columns = {"time": ("time", "timestamptz"), "host": ("tag", "string"), "usage_user": ("field", "double")}
    for name, (role, kind) in columns.items():
        row = entry(page, name)
        expect(row.get_by_text(role, exact=True).filter(visible=True).last).to_be_visible()
        expect(row.get_by_text(kind, exact=True)).to_be_visible()


def test_figures_of_each_partition_are_plotted_and_listed(site: DagsterSite, page: Page, backfill_page: str) -> None:
    page.goto(site.url + CPU)
    page.get_by_role("button", name="Plots").click()

    heights = line_heights(page, "dagster/partition_row_count")
    steps = (len(heights) - 1) / (len(ROWS) - 1)
    shown = [heights[round(steps * number)] for number in range(len(ROWS))]
    assert shown == pytest.approx([(rows - min(ROWS)) / (max(ROWS) - min(ROWS)) for rows in ROWS], abs=0.06)
    for plot in ("bytes", "rows_per_second", "read_seconds", "write_seconds", "lag_seconds"):
        expect(page.get_by_text(plot, exact=True).first).to_be_visible()

    for day, rows in [(DAYS[0], ROWS[0]), (DAYS[-1], ROWS[-1])]:
        page.goto(f"{site.url}{CPU}?view=partitions&partition={day}")
        expect(entry(page, "dagster/partition_row_count").get_by_text(str(rows), exact=True)).to_be_visible()
        expect(entry(page, "window").get_by_text(f"{day}T00:00:00Z/")).to_be_visible()
        expect(page.get_by_text(f"{day} 00:00:00").first).to_be_visible()


def test_a_failed_check_shows_what_is_wrong_with_which_rows(site: DagsterSite, page: Page, backfill_page: str) -> None:
    page.goto(f"{site.url}{DISK}?view=checks&checkDetail=values")

    expect(page.get_by_text("Failed", exact=True).last).to_be_visible()
    rows = sum(fleet.rows_of("disk", day) for day in range(fleet.LENGTH))
    said = f"rows break used_percent in 0..100 ({fleet.ABOVE} of {rows:,} rows)"
    expect(page.get_by_text(said)).to_be_visible()
    expect(entry(page, "failing: used_percent in 0..100").get_by_text(str(fleet.ABOVE), exact=True)).to_be_visible()
    page.get_by_text("[Show Markdown]").click()
    examples = page.get_by_role("dialog")
    expect(examples.get_by_text(fleet.FULL_DISK).first).to_be_visible()
    expect(examples.get_by_text("104.0").first).to_be_visible()
    page.keyboard.press("Escape")


def test_a_feed_that_fell_silent_is_shown_as_stale(site: DagsterSite, page: Page, backfill_page: str) -> None:
    page.goto(f"{site.url}{NET}?view=checks&checkDetail=freshness")

    expect(page.get_by_text("the last 2d of what is loaded have no events (allowed: 1d)")).to_be_visible()
    expect(entry(page, "silent_seconds").get_by_text(str(2 * 24 * 3600), exact=True)).to_be_visible()
    expect(page.get_by_text("Failed", exact=True).last).to_be_visible()


def test_the_freshness_of_an_asset_is_shown(site: DagsterSite, page: Page, backfill_page: str) -> None:
    def is_passing() -> bool:
        page.goto(site.url + CPU)
        page.get_by_text("Last materialized").wait_for()
        return page.get_by_text("Passing", exact=True).count() > 0

    # The daemon looks at it twice a minute.
    wait_until(is_passing, seconds=120, what="the state of the freshness policy")
    expect(page.get_by_text("Fails if more than 2 days since last materialization")).to_be_visible()
    expect(page.get_by_text("Warns if more than 31 hours since last materialization")).to_be_visible()


def test_lineage_leads_from_influxdb_over_the_table_to_its_roll_up(
    site: DagsterSite, page: Page, backfill_page: str
) -> None:
    page.goto(f"{site.url}{CPU}?view=lineage")

    source, table, rollup = (node(page, asset) for asset in (f"/assets/influxdb{CPU[7:]}", CPU, f"{CPU}_hourly"))
    expect(table.get_by_text("100% filled")).to_be_visible()
    expect(rollup.get_by_text("57% filled")).to_be_visible(timeout=240_000)
    expect(source.get_by_text("influxdb", exact=True)).to_be_visible()
    expect(table.get_by_text("Passed")).to_be_visible()
    settle(page)
    lefts = [box["x"] for each in (source, table, rollup) if (box := each.bounding_box())]
    assert lefts == sorted(set(lefts))
    assert len(lefts) == 3


def test_maintenance_is_launched_by_clicking_and_its_page_says_what_it_did(
    site: DagsterSite, page: Page, backfill_page: str
) -> None:
    materialize(page, site.url + EXPIRE)

    page.goto(site.url + EXPIRE)
    cells = page.locator("tr").filter(has=page.get_by_text("telemetry.cpu", exact=True)).last
    expect(cells).to_contain_text(f"{fleet.LENGTH} → 2")
    expect(cells).to_contain_text(f"snapshots expired: {fleet.LENGTH - 2}")
    # A second time there is a line to draw.
    materialize(page, site.url + EXPIRE)
    page.goto(site.url + EXPIRE)
    page.get_by_role("button", name="Plots").click()
    for plot in ("data_files_after", "small_files_after", "data_bytes_after", "snapshots_before", "snapshots_after"):
        expect(page.get_by_text(plot, exact=True).first).to_be_visible()
    heights = line_heights(page, "snapshots_before")
    assert (heights[0], heights[-1]) == (1, 0)
    # The table's own page tells of it, too.
    page.goto(f"{site.url}{CPU}?view=events")
    expect(page.get_by_text("Maintenance, expire_snapshots: snapshots expired: 5").first).to_be_visible()


def test_the_overview_leads_to_every_measurement(site: DagsterSite, page: Page, backfill_page: str) -> None:
    materialize(page, site.url + OVERVIEW)

    page.goto(site.url + OVERVIEW)
    due = fleet.LENGTH * len(fleet.MEASUREMENTS)
    expect(page.get_by_text(f"windows loaded: {due} of {due} due")).to_be_visible()
    expect(page.get_by_text("newest windows that differ from the source: 0 of 4")).to_be_visible()
    expect(page.get_by_text("newest windows without rows, here and in the source: 1 of 4")).to_be_visible()
    for name in fleet.MEASUREMENTS:
        rows = f"{sum(fleet.rows_of(name, day) for day in range(fleet.LENGTH)):,}"
        cells = page.locator("tr").filter(has=page.get_by_role("link", name=f"telemetry.{name}", exact=True)).last
        expect(cells).to_contain_text("silent" if name == "net" else "complete")
        expect(cells).to_contain_text(rows)
        cells.get_by_role("link").click()
        expect(page).to_have_url(f"{site.url}/assets/telemetry/{name}")
        expect(page.get_by_text(rows, exact=True)).to_be_visible()
        page.go_back()


def test_a_failed_run_says_why_and_what_to_do(
    site: DagsterSite, sandbox: Sandbox, page: Page, backfill_page: str
) -> None:
    fleet.lose_everything(sandbox)
    try:
        [run] = site.ended_runs(site.launch([fleet.DATABASE, "mem"], DAYS[:1]), seconds=240)
    finally:
        sandbox.faults.hidden_before = None

    page.goto(f"{site.url}/runs/{run['runId']}")
    expect(page.get_by_text("Failure", exact=True).first).to_be_visible()
    rows = f"{fleet.rows_of('mem', 0):,}"
    said = f"the source has no rows for the window, and telemetry.mem holds {rows}: replacing them would lose {rows}"
    expect(page.get_by_text(said).first).to_be_visible()
    expect(page.get_by_text("set on_shrink: replace for this measurement").first).to_be_visible()

"""`influx-lake docs`: what the pages say, that nothing in them is markup or fetches anything, and that they work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import dagster as dg
import pytest

from influx_lake.cli.session import open_session
from influx_lake.config.values.windows import Window
from influx_lake.orchestration.window_metadata import standing_facts
from influx_lake.rollups.window import roll_up_window
from influx_lake.sandbox import Sandbox
from influx_lake_tests.e2e.browser import CHROMIUM
from influx_lake_tests.integration.cli_lake import FIRST_DAY_NS, CliLake

MARKUP = "<script>alert(1)</script>"
ODD = '"><img src=x onerror=alert(1)>'
LAKE = """\
sources:
  default: {{host: {host}, database: telemetry, token: "${{file:token}}", retry: {{budget: 1s}}}}
catalog: {catalog}
defaults:
  columns: {{host: {{description: The machine.}}}}
measurements:
  cpu:
    description: "How busy <b>cores</b> are."
    owners: ["team:platform"]
    rename: {{value: busy}}
    computed: {{twice: busy * 2}}
    columns:
      busy: {{description: Share of its time., unit: "%"}}
      twice: {{unit: "%"}}
      missing: {{description: Not there.}}
    rollups: {{hourly: {{every: 1h}}}}
  'NAME':
    table: odd
    columns: {{secret: {{samples: false}}}}
  never: {{}}
""".replace("NAME", MARKUP.replace("'", "''"))


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        lake = CliLake(tmp_path, box, capsys)
        lake.write_config(LAKE)
        lake.fill("cpu", range(3), points=10)
        odd = ODD.replace(" ", r"\ ").replace("=", r"\=")
        box.write("telemetry", f'{MARKUP},host={odd} text="{MARKUP}",secret="abc" {FIRST_DAY_NS}')
        for name, end in (("cpu", "2026-01-02"), (MARKUP, "2026-01-02")):
            result = lake.tell("replicate", name, "--start", "2026-01-01", "--end", end)
            assert result.code == 0, result.err
        result = lake.tell("replicate", "cpu", "--start", "2026-01-03", "--end", "2026-01-04")
        assert result.code == 0, result.err
        yield lake


def written(lake: CliLake, *options: str) -> dict[str, str]:
    """The pages, by their paths."""
    result = lake.tell("docs", "--out", str(lake.folder / "site"), "--json", *options)
    assert result.code == 0, result.err
    return {each: (lake.folder / "site" / each).read_text() for each in result.object["pages"]}


class _Page(HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", _Page(page).text)


def test_what_a_page_says(lake: CliLake) -> None:
    pages = written(lake)
    assert len(pages) == 4
    cpu = text_of(pages["measurements/telemetry.cpu.html"])
    assert "How busy <b>cores</b> are." in cpu
    assert "busy field double" not in cpu
    for said in (
        "busy field long % Share of its time. value in the source",
        "host tag string The machine.",
        "twice field",
        "computed: busy * 2",
        "Described in lake.yaml, and not in the table: missing",
        "From 2026-01-01 to 2026-01-04, with 1 gap.",
        "Gaps 2026-01-02 to 2026-01-03",
        "telemetry.cpu_hourly",
        'SELECT * FROM "telemetry"."cpu" LIMIT 10',
        "The newest 2 of 2 snapshots",
        "team:platform",
    ):
        assert said in cpu, said
    assert "telemetry.cpu_hourly A row for each 1h and combination of tags. Nothing was loaded yet" in cpu
    assert "Nothing was loaded yet" in text_of(pages["measurements/telemetry.never.html"])
    assert pages["measurements/telemetry.cpu.html"].count('class="missing"') == 2
    # The same lake gives the same pages.
    assert written(lake) == pages


def test_no_name_and_no_value_is_markup(lake: CliLake) -> None:
    pages = written(lake)
    for path, page in pages.items():
        found = _Page(page)
        scripts = [attributes for tag, attributes in found.elements if tag == "script"]
        assert len(scripts) == (1 if path == "index.html" else 0)
        assert not any(tag in ("img", "b", "link", "iframe", "object") for tag, _ in found.elements)
        for _, attributes in found.elements:
            assert not any(name.startswith("on") or name == "src" for name in attributes)
            assert not (attributes.get("href") or "").startswith(("http", "//", "javascript"))
        [policy] = [each["content"] for tag, each in found.elements if each.get("http-equiv") and tag == "meta"]
        assert policy is not None
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
    odd = pages["measurements/telemetry.odd.html"]
    assert ODD in text_of(odd)
    assert MARKUP in text_of(odd)
    assert "abc" not in odd


def test_a_roll_up_is_shown_with_the_measurement_that_it_is_of(lake: CliLake) -> None:
    with open_session(lake.config) as session:
        [cpu] = session.measurements(["cpu"])
        window = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
        rows = roll_up_window(session.catalog, cpu, cpu.rollups[0], window, run_id="hourly").rows
    pages = written(lake)
    said = text_of(pages["measurements/telemetry.cpu.html"])
    assert f"A row for each 1h and combination of tags. {rows} rows, until 2026-01-02. " in said
    assert "busy_max long Largest value of busy" in said
    assert "telemetry.cpu_hourly" in pages["index.html"]


@pytest.mark.slow
def test_no_values_where_none_are_wanted(lake: CliLake) -> None:
    assert "h0" in written(lake)["measurements/telemetry.cpu.html"]
    assert "h0" not in written(lake, "--no-samples")["measurements/telemetry.cpu.html"]


@pytest.mark.slow
def test_pages_of_measurements_that_are_gone_go_and_other_files_stay(lake: CliLake) -> None:
    written(lake)
    own = lake.folder / "site" / "measurements" / "own.html"
    own.write_text("<p>mine</p>")
    lake.write_config(LAKE.replace("  never: {{}}\n", ""))
    assert "measurements/telemetry.never.html" not in written(lake)
    assert sorted(each.name for each in own.parent.iterdir()) == [
        "own.html",
        "telemetry.cpu.html",
        "telemetry.odd.html",
    ]


@pytest.mark.slow
def test_a_folder_that_cannot_be_written(lake: CliLake) -> None:
    (lake.folder / "file").write_text("")
    result = lake.tell("docs", "--out", str(lake.folder / "file" / "site"))
    assert result.code == 1
    assert "cannot be written" in result.err


def test_the_table_says_what_lake_yaml_says_of_its_columns(lake: CliLake) -> None:
    def docs() -> dict[str, str | None]:
        return {field.name: field.doc for field in lake.catalog.load_table("telemetry.cpu").schema().fields}

    def load(day: int) -> None:
        result = lake.tell("replicate", "cpu", "--start", f"2026-01-0{day}", "--end", f"2026-01-0{day + 1}")
        assert result.code == 0, result.err

    assert docs() == {
        "time": None,
        "host": "The machine.",
        "busy": "Share of its time. (in %)",
        "twice": "In %",
    }
    table = lake.catalog.load_table("telemetry.cpu")
    # What Dagster shows of them.
    shown = standing_facts(table)["dagster/column_schema"]
    assert isinstance(shown, dg.TableSchemaMetadataValue)
    assert {each.name: each.description for each in shown.schema.columns} == docs()
    with table.update_schema() as update:
        update.update_column("time", doc="said by others")
    lake.write_config(LAKE.replace("Share of its time.", "How much of its time."))
    load(2)
    assert docs()["busy"] == "How much of its time. (in %)"
    assert docs()["time"] == "said by others"
    schemas = len(lake.catalog.load_table("telemetry.cpu").metadata.schemas)
    load(2)
    assert len(lake.catalog.load_table("telemetry.cpu").metadata.schemas) == schemas


@pytest.mark.servers
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_in_a_browser_without_a_server(lake: CliLake) -> None:
    from playwright.sync_api import sync_playwright

    written(lake)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        asked: list[str] = []
        faults: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text))
        page.on("dialog", lambda dialog: faults.append(dialog.message))
        page.goto((lake.folder / "site" / "index.html").as_uri())
        rows = page.locator("#measurements > tr")
        assert rows.count() == 3
        page.fill("#search", "MACHINE")
        assert page.locator("#measurements > tr:visible").count() == 2
        page.fill("#search", "busy")
        assert page.locator("#measurements > tr:visible").all_inner_texts()[0].startswith("telemetry.cpu")
        assert page.locator("#found").inner_text() == "1 of 3 measurements"
        page.get_by_role("link", name="telemetry.cpu").click()
        page.get_by_role("heading", name="What is held").wait_for()
        for name in ("telemetry.odd", "telemetry.never"):
            page.goto((lake.folder / "site" / "measurements" / f"{name}.html").as_uri())
        browser.close()
    assert faults == []
    assert all(url.startswith("file:") for url in asked)

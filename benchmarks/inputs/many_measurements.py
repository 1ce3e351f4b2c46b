"""A lake of many measurements, for `benchmarks.scale`.

Up to 1,000 are daily ones of one database, more of them hourly, over five years, of databases of 200 each. Every table
holds one window of three points.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from influx_lake.sandbox import Sandbox

DAILY = 1_000
"""Up to how many measurements a lake has daily windows; a larger one has hourly windows."""
OF_A_DATABASE = 200
TOKEN = "apiv3_scale"
_LAKE = """\
automation: {automation}
sources:
  default: {{host: "{url}", database: {databases}, token: "${{file:token}}"}}
catalog: {{type: sql, uri: 'sqlite:///./catalog.db', warehouse: ./warehouse}}
defaults:
  partition: {{every: {every}, start: {start}}}
measurements:
  "m*": {{}}
"""


@dataclass(frozen=True)
class ManyMeasurements:
    """A lake in a folder, and its server.

    Attributes:
        size: How many measurements it has.
    """

    folder: Path
    size: int
    automation: str

    @property
    def config(self) -> Path:
        return self.folder / "lake.yaml"

    @property
    def databases(self) -> list[str]:
        if self.size <= DAILY:
            return ["telemetry"]
        return [f"plant{number:02}" for number in range(-(-self.size // OF_A_DATABASE))]

    @property
    def asset(self) -> list[str]:
        """The key of one of its assets."""
        return [self.databases[0], "m0000"]

    @contextmanager
    def served(self) -> Iterator[None]:
        """The lake, made where it is not there or not whole, for as long as its server lives.

        Raises:
            SystemExit: It could not be made.
        """
        # Not at the top: what is measured imports this module and needs no server.
        from influx_lake.sandbox import Sandbox

        # What tables know of their source has the server's address in it.
        port, made = self.folder / "port", self.folder / "made"
        with Sandbox(self.folder / "influxdb", port=int(port.read_text()) if port.exists() else 0, token=TOKEN) as box:
            port.write_text(str(box.port))
            if not made.exists():
                self._make(box)
                made.touch()
            yield

    def _make(self, box: Sandbox) -> None:
        from influx_lake.cli.entry import run

        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        hourly, names = self.size > DAILY, self.databases
        start = today - (timedelta(days=5 * 365) if hourly else timedelta(days=1_000))
        begin = today - timedelta(days=5)
        end = begin + (timedelta(hours=1) if hourly else timedelta(days=1))
        seconds = int(begin.timestamp())
        for place, database in enumerate(names):
            numbers = range(place, self.size, len(names))
            lines = (f"m{n:04},host=h{h} v={n}.5 {seconds + h}" for n in numbers for h in range(3))
            box.write(database, "\n".join(lines), precision="s")
        (self.folder / "token").write_text(TOKEN)
        self.config.write_text(
            _LAKE.format(
                automation=self.automation,
                url=box.url,
                databases=names[0] if len(names) == 1 else '"plant*"',
                every="hour" if hourly else "day",
                start=f"{start:%Y-%m-%d}",
            )
        )
        (self.folder / "home").mkdir(exist_ok=True)
        (self.folder / "home" / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
        bounds = ["--start", f"{begin:%Y-%m-%dT%H:%M:%SZ}", "--end", f"{end:%Y-%m-%dT%H:%M:%SZ}"]
        for command in (["discover"], ["replicate", "--all", *bounds]):
            with redirect_stdout(io.StringIO()):
                code = run([*command, "-c", str(self.config), "--json"])
            if code:
                raise SystemExit(f"{command} failed")

"""The command `influx-lake check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from influx_lake.cli.options import ConfigOption, JsonOption
from influx_lake.cli.output import Output, output

if TYPE_CHECKING:
    from influx_lake.cli.checking.check_result import Check

_MARKS = {True: "✓", False: "✗"}


def check(config: ConfigOption = None, as_json: JsonOption = False) -> int:
    """Check the lake.yaml, each source and its measurements, and the catalog, and say how to fix problems."""
    from influx_lake.cli.checking.checks import run_checks
    from influx_lake.cli.session import open_session

    with output(as_json) as out, open_session(config) as session:
        checks, failed = [], 0
        for each in run_checks(session):
            checks.append(each)
            failed += not each.ok
            _show(out, each)
        for warning in session.lake.warnings:
            out.line(f"! {warning}")
        out.result(
            {
                "ok": not failed,
                "checks": [each.facts() for each in checks],
                "warnings": [str(warning) for warning in session.lake.warnings],
            }
        )
        out.line(f"{failed} of {len(checks)} checks failed." if failed else f"All {len(checks)} checks passed.")
        return 1 if failed else 0


def _show(out: Output, check: Check) -> None:
    out.line(f"{'!' if check.warning else _MARKS[check.ok]} {check.subject}: {check.detail}")
    if check.remedy:
        out.line(f"    → {check.remedy}")

"""The command `influx-lake verify`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from influx_lake.cli.failures import Failure, of_lake_error
from influx_lake.cli.options import BranchOption, ConfigOption, EndOption, JsonOption, Measurements, StartOption
from influx_lake.cli.output import Output, add_row, counted, output, plain_table
from influx_lake.errors import LakeError

if TYPE_CHECKING:
    from influx_lake.replication.comparison.verify import Verification


def verify(
    names: Measurements = None,
    start: StartOption = None,
    end: EndOption = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Also compare a profile of each column's values, not only row counts.")
    ] = False,
    values: Annotated[
        bool,
        typer.Option(
            "--values",
            help="Compare every value, by digests of the rows on both sides. Windows that are equal are recorded in "
            "the table as proved.",
        ),
    ] = False,
    branch: BranchOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Compare closed windows of the lake with their sources, in the whole history or a range.

    The differing windows are listed. The exit code is 1 if a window differs, or if all points of a source are outside
    the partitions.
    """
    from influx_lake.cli.session import open_session
    from influx_lake.replication.comparison.compare_windows import Depth
    from influx_lake.replication.comparison.verify import closed_windows
    from influx_lake.replication.facts import verification_facts
    from influx_lake.session import check_range

    depth = Depth.VALUES if values else Depth.PROFILE if profile else Depth.ROWS
    with output(as_json) as out, open_session(config, branch) as session:
        now, found, chosen = datetime.now(UTC), list["Verification"](), session.measurements(names)
        check_range(chosen, start, end, session.tell)
        failed = list[Failure]()
        for each in chosen:
            windows = closed_windows(each, now, start, end)
            try:
                found.append(session.verify(each, windows, depth))
            except LakeError as error:
                # A measurement that cannot be compared does not stop the others.
                if error.exit_code != 1 or len(chosen) == 1:
                    raise
                failed.append(of_lake_error(error.about(each.name)))
                out.note(f"✗ {failed[-1].text}")
        windows_failed = [of_lake_error(error) for each in found for error in each.failures]
        for failure in windows_failed:
            out.note(f"✗ {failure.text}")
        _show(out, found)
        if failed:
            out.note(f"{counted(len(failed), 'measurement')} could not be compared.")
        if windows_failed:
            out.note(f"{counted(len(windows_failed), 'window')} could not be compared.")
        failed += windows_failed
        equal = not failed and all(each.is_equal for each in found)
        content: dict[str, Any] = {
            "equal": equal,
            "measurements": [verification_facts(each) for each in found],
        }
        if failed:
            content |= {"error": failed[0].facts, "failures": [each.facts for each in failed]}
        out.result(content)
        return 0 if equal else 1


def _show_proofs(out: Output, found: list[Verification]) -> None:
    for each in found:
        if each.offloaded:
            many = counted(len(each.offloaded), "window")
            out.line(f"{each.measurement.name}: {many} off-loaded, deleted at the source and in the lake.")
        proved = each.proved
        for window, why in proved.unproved.items():
            out.line(f"! {each.measurement.name} {window} is not proved: {why}")
        if proved.failure is not None:
            out.line(f"! What is proved of {each.measurement.name} could not be kept: {proved.failure.message}")
        elif proved.windows:
            out.line(f"{each.measurement.name}: {counted(len(proved.windows), 'window')} proved, value by value.")


def _show(out: Output, found: list[Verification]) -> None:
    from influx_lake.replication.outside import outside_remark

    table = plain_table(
        "measurement",
        "table",
        "windows",
        "source rows",
        "lake rows",
        "differing",
        right=["windows", "source rows", "lake rows", "differing"],
    )
    for each in found:
        figures = (len(each.comparisons), each.source_rows, each.lake_rows, len(each.differing))
        add_row(table, each.measurement.name, each.measurement.table_name, *(f"{figure:,}" for figure in figures))
    out.table(table)
    differing = [comparison for each in found for comparison in each.differing]
    for comparison in differing:
        out.line(f"✗ {comparison.measurement.name} {comparison}: {comparison.explanation}")
    keeping = [comparison for each in found for comparison in each.keeping]
    for comparison in keeping:
        out.line(f"! {comparison.measurement.name} {comparison}: {comparison.explanation}")
    for each in found:
        if each.outside:
            remark = outside_remark(each.outside, each.measurement)
            out.line(f"! {remark.text}")
            out.line(f"    → {remark.remedy}")
    _show_proofs(out, found)
    if not any(each.comparisons for each in found):
        out.line("Nothing was compared" + (": no window in the range is closed." if found else "."))
        return
    windows = counted(sum(len(each.comparisons) for each in found), "window")
    missed = [each.measurement.name for each in found if each.is_missed]
    if differing:
        out.line(f"{windows} compared, {len(differing):,} differ.")
    elif missed:
        out.line(
            f"{windows} compared, all equal, but none holds a point of {', '.join(missed)}: all lie outside of them."
        )
    elif keeping:
        more = sum(each.kept_rows for each in keeping)
        out.line(
            f"{windows} compared, none lacks rows; {len(keeping):,} with {counted(more, 'row')} more than the source."
        )
    else:
        out.line(f"{windows} compared, all equal.")

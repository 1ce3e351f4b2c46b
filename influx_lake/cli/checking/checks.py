"""Runs all checks of a lake: configuration, sources, measurements, catalog."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from influx_lake.cli.checking.catalog_checks import check_catalog
from influx_lake.cli.checking.change_checks import check_telling
from influx_lake.cli.checking.check_result import Check, attempt
from influx_lake.cli.output import counted
from influx_lake.cli.sandboxes import may_be_sandbox
from influx_lake.cli.session import Session
from influx_lake.config import Measurement
from influx_lake.errors import LakeError


def run_checks(session: Session) -> Iterator[Check]:
    """Run all checks, also after some have failed."""
    lake = session.lake
    patterns = [each for each in lake.patterns if each.key is None]
    found = {"source": lake.sources, "measurement": lake.measurements, "pattern": patterns}
    counts = [counted(len(entries), noun) for noun, entries in found.items() if entries]
    yield Check("config", str(lake.path), True, ", ".join(counts))
    for name in lake.sources:
        yield from _check_source(session, name)
    catalog = lake.catalog.name
    opened = attempt("catalog", f"catalog {catalog}", lambda: f"{type(session.catalog).__name__} opened")
    yield opened
    if opened.ok:
        yield from check_catalog(session)


def _check_source(session: Session, name: str) -> Iterator[Check]:
    from influx_lake.cli.checking.file_checks import check_files
    from influx_lake.sources.listing import listing_of

    found: list[str] = []

    def ask() -> str:
        source = session.source(name)
        server = source.server()
        listing, named = listing_of(source), session.lake.named(name)
        found.extend(listing.wanted(named))
        parts = [counted(len(found), "measurement"), *filter(None, [listing.left_out(named)])]
        return f"{source.identity}: {server.product} {server.version}, {', '.join(parts)}"

    check = attempt("source", f"source {name}", ask)
    if not check.ok:
        yield replace(check, remedy=_with_sandbox(check.remedy, session, name))
        return
    yield check
    yield from check_telling(session.lake, name)
    yield from check_files(session, name)
    yield from _check_measurements(session, name, found)


def _check_measurements(session: Session, source: str, found: list[str]) -> Iterator[Check]:
    """Check which measurements and pattern matches a source has."""
    lake = session.lake
    known, listed = {each.name: each for each in lake.measurements if each.source == source}, set(found)
    named = [pattern.text for pattern in lake.patterns if pattern.key is not None and pattern.source == source]
    for name in dict.fromkeys([*known, *named]):
        subject = f"measurement {name}"
        if name not in listed and name in known and _is_offloaded(session, known[name]):
            message = (
                f"has no point at the source any more: it was off-loaded, and table {known[name].table_name} has it"
            )
            yield Check("measurement", subject, True, message)
        elif name not in listed:
            yield _missing(subject, lake.source(source).database, found)
        elif name in known:
            shaped = attempt("measurement", subject, partial(_shaped, session, known[name]))
            yield shaped if not shaped.ok else replace(shaped, detail=f"is there; table {known[name].table_name}")
        else:
            remedy = "Ask for it: influx-lake discover"
            yield Check("measurement", subject, True, "is there; its first point is not known yet", remedy)
    matches = lake.match(source, found)
    for pattern in lake.patterns:
        if pattern.is_for(source) and pattern.key is None:
            yield _check_pattern(pattern.text, [each.name for own, each in matches if own is pattern], session)


def _shaped(session: Session, measurement: Measurement) -> str:
    """Check whether the source's columns can be stored in the table."""
    from influx_lake.transforms import is_transformed, transformed

    if is_transformed(measurement):
        transformed(session.source(measurement.source), measurement).schema(measurement.name)
    return ""


def _is_offloaded(session: Session, measurement: Measurement) -> bool:
    """Whether some of it was off-loaded; servers forget measurements without points."""
    from influx_lake.iceberg.proofs.offloaded import offloaded_from

    try:
        return bool(offloaded_from(session.table_of(measurement)))
    except LakeError:
        # The catalog's own checks report its errors.
        return False


def _with_sandbox(remedy: str | None, session: Session, name: str) -> str | None:
    """The remedy, which mentions the sandbox where it may be the intended server."""
    if not may_be_sandbox(session.lake.sources[name], session.lake):
        return remedy
    return f"{(remedy or '').rstrip('.')}. If the sandbox of this lake is meant: influx-lake sandbox"


def _missing(subject: str, database: str, found: list[str]) -> Check:
    from influx_lake.config.report.diagnostics import suggestion

    name = subject.removeprefix("measurement ")
    return Check(
        "measurement",
        subject,
        False,
        f"is not in the database {database}{suggestion(name, found)}",
        "Correct its name in lake.yaml, or set `enabled: false`; it is there once a point was written to it",
    )


def _check_pattern(text: str, matched: list[str], session: Session) -> Check:
    known = {each.name for each in session.lake.measurements}
    new = [name for name in matched if name not in known]
    detail = counted(len(matched), "measurement") + (f", {len(new)} of them new: {', '.join(new[:5])}" if new else "")
    return Check("pattern", f"pattern {text}", True, detail, "Take them in: influx-lake discover" if new else None)

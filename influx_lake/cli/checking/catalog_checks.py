"""Checks the catalog and store: connection, permissions, existing tables, query engines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from influx_lake.cli.checking.check_result import Check, attempt
from influx_lake.cli.session import Session
from influx_lake.config import Measurement, redact
from influx_lake.config.maintenance.options import Kind

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from influx_lake.iceberg.permissions.permission import Proof
    from influx_lake.iceberg.target import Provenance
    from influx_lake.maintenance.tables import MaintainedTable


def check_catalog(session: Session) -> Iterator[Check]:
    """Load the existing tables, and try each permission in the lake's and in foreign locations."""
    from influx_lake.iceberg.permissions.trials import Trials
    from influx_lake.iceberg.storage.table_folders import folders_of
    from influx_lake.maintenance.tables import tables_of

    tables: list[Table] = []
    maintained = tables_of(session.lake)
    for each in maintained:
        yield from _check_table(session, each, tables)
    removes = any(each.options(Kind.REMOVE_ORPHANS) is not None for each in maintained)
    trials = Trials(session.catalog, removes_orphans=removes)
    yield from map(_permission_check, trials.of_catalog())
    namespaces = dict.fromkeys(each.target.identifier[:-1] for each in maintained)
    for namespace in namespaces:
        yield from map(_permission_check, trials.of_namespace(namespace))
    if not namespaces:
        yield from map(_permission_check, trials.of_new_namespace())
    for table in tables:
        for folder in folders_of(table):
            yield from map(_permission_check, trials.of_folder(table.io, folder))
    yield from _check_engines(session, maintained)


def _check_table(session: Session, maintained: MaintainedTable, tables: list[Table]) -> Iterator[Check]:
    """Load a table, if it exists, and check whether foreign changes or another owner would stop loads."""
    from influx_lake.iceberg.load.ensure import check_writable
    from influx_lake.iceberg.scan.reader import check_readable, find_table
    from influx_lake.iceberg.staging.copied_folder import check_not_copied
    from influx_lake.iceberg.table_state import table_state
    from influx_lake.iceberg.table_state.ownership import check_owner
    from influx_lake.replication.table_columns import check_or_tell

    identifier, name = maintained.target.identifier, maintained.name
    existing: list[Table] = []
    owners: dict[str, None] = {}

    def load() -> str:
        for measurement in maintained.measurements:
            target = maintained.target
            if maintained.rollup is None:
                target = replace(target, share=measurement.share)
            table = find_table(session.catalog, identifier, target.share)
            if table is None:
                return ""
            existing.append(table)
            check_readable(table)
            check_writable(table, name)
            check_not_copied(table, name)
            owners.update(dict.fromkeys(filter(None, [table_state(table).owner])))
            check_owner(table, target, _provenance(session, measurement, maintained))
            if maintained.rollup is None and not maintained.is_quarantine:
                check_or_tell(session.source(measurement.source), session.catalog, measurement)
        return ""

    loaded = attempt("table", f"table {name}", load)
    if existing:
        tables.append(existing[0])
        details = {**_table_details(existing[0]), "owner": ", ".join(owners) or None}
        detail = loaded.detail or (
            f"format version {details['format_version']}, partitioned by {details['spec'] or 'nothing'}, of "
            f"{details['owner'] or 'nobody of ours'}, at {details['location']}"
        )
        loaded = replace(loaded, detail=redact(detail), found=details)
    if existing or not loaded.ok:
        yield loaded


def _provenance(session: Session, measurement: Measurement, maintained: MaintainedTable) -> Provenance:
    """The provenance that a load would record."""
    from influx_lake.iceberg.target import Provenance
    from influx_lake.rollups.window import rollup_identity

    if maintained.rollup is not None:
        return Provenance(rollup_identity(measurement, maintained.rollup), "check", maintained.rollup.adopt)
    identities = session.identities(measurement)
    return Provenance(identities[0], "check", measurement.adopt, identities)


def _check_engines(session: Session, maintained: list[MaintainedTable]) -> Iterator[Check]:
    """Run a trivial statement on each configured query engine."""
    from influx_lake.config.maintenance.engines import Engine
    from influx_lake.iceberg.permissions.aws import refused_action
    from influx_lake.maintenance.engines.opening import Engines

    named = dict.fromkeys(each.maintenance.engine for each in maintained if each.maintenance is not None)
    with Engines(session.lake.engines, session.lake.catalog.name) as engines:
        for name in named:
            if name is Engine.OWN:
                continue

            def ask(name: Engine = name) -> str:
                engine = engines.get(name)
                assert engine is not None
                engine.run("SELECT 1")
                return "answers"

            check = attempt("engine", f"engine {name}", ask)
            if not check.ok and (action := refused_action(check.detail)):
                check = replace(check, remedy=f"Allow the IAM action {action}, on the workgroup of engines.{name}")
            yield check


def _table_details(table: Table) -> dict[str, str | int | None]:
    names = {field.field_id: field.name for field in table.schema().fields}
    terms = (f"{field.transform}({names.get(field.source_id, '?')})" for field in table.spec().fields)
    return {
        "format_version": table.metadata.format_version,
        "spec": ", ".join(terms),
        "location": table.metadata.location,
    }


def _permission_check(proof: Proof) -> Check:
    where = "" if proof.on == "*" else f" ({proof.on})"
    return Check(
        "permission",
        f"permission to {proof.permission}{where}",
        proof.ok or not proof.is_needed,
        redact(proof.detail),
        redact(proof.remedy or "") or None,
        warning=not proof.ok and not proof.is_needed,
        found={
            "permission": proof.permission.value,
            "on": proof.on,
            "there": proof.ok,
            "rights": list(proof.grant.rights),
            "resources": list(proof.grant.on),
        },
    )

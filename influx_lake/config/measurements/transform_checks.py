"""Validates transforms: contradictions, and column names that differ from the table's."""

from __future__ import annotations

from collections.abc import Iterator

from influx_lake.config.measurements.guards import OnShrink
from influx_lake.config.measurements.options import MeasurementOptions
from influx_lake.config.report.diagnostics import Location, OptionMistake
from influx_lake.config.tables.types import Nanoseconds
from influx_lake.config.tables.write_modes import WriteMode
from influx_lake.config.transforms.formats import parse_format
from influx_lake.config.transforms.options import Duplicates
from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.sql_expression import column_references


def check_transforms(options: MeasurementOptions) -> None:
    """Check for contradictions that can be found without the source's columns.

    Raises:
        OptionMistake: There is one.
    """
    _check_duplicates(options)
    _check_choice(options)
    _check_made_columns(options)
    _check_formats(options)
    _check_new_names(options)
    _check_table_names(options)
    _check_order(options)


def _check_duplicates(options: MeasurementOptions) -> None:
    if options.duplicates is None:
        if options.tags.exclude:
            message = (
                "leaves out a tag, without which points of the same time may not be told apart: say what becomes of "
                "them, with `duplicates: keep` or `duplicates: last`"
            )
            raise OptionMistake(message, ("tags", "exclude"))
        return
    if not options.tags.chooses:
        message = "has nothing to do: no tag is left out (`tags: {exclude: [...]}`), so points stay apart"
        raise OptionMistake(message, ("duplicates",))
    compares = options.write.mode is WriteMode.UPSERT or options.on_shrink is OnShrink.MERGE
    if options.duplicates is Duplicates.KEEP and compares:
        message = (
            "keep has rows of the same time and tags in the table, and `write.mode: upsert` and `on_shrink: merge` "
            "tell rows apart by these: use `duplicates: last`"
        )
        raise OptionMistake(message, ("duplicates",), ("write", "mode"), ("on_shrink",))


def _check_choice(options: MeasurementOptions) -> None:
    gone = {*options.fields.exclude, *options.tags.exclude}
    for option in ("rename", "types", "formats"):
        for name in getattr(options, option):
            if name in gone:
                raise OptionMistake(f"names {name}, which `exclude` leaves out", (option, name))


def _check_made_columns(options: MeasurementOptions) -> None:
    """Check that metadata columns are not cast, and that computed, constant and metadata columns are not mapped."""
    metadata = {options.rename.get(name, name) for name in options.metadata_columns} | {*options.metadata_columns}
    renamed_to = {*options.rename.values()}
    for name in options.types:
        if name in metadata - renamed_to:
            raise OptionMistake(
                f"names {name}, a metadata column, which has a type of its own: take it out", ("types", name)
            )
    made = {options.rename.get(TIME, TIME), *metadata, *options.constants, *options.computed}
    for name in options.map:
        if name in made and name not in renamed_to - {options.rename.get(TIME, TIME)}:
            message = (
                f"names {name}, which is not a tag or a field: map what it is made of, or compute it with case when"
            )
            raise OptionMistake(message, ("map", name))


def _check_formats(options: MeasurementOptions) -> None:
    for name, form in options.formats.items():
        back = {table: source for source, table in options.rename.items()}
        kind = (
            options.types.get(name)
            or options.types.get(options.rename.get(name, name))
            or options.types.get(back.get(name, name))
        )
        if kind is None:
            message = f"says how {name} is written, and `types` makes nothing else of it: give it a type there"
            raise OptionMistake(message, ("formats", name))
        try:
            parse_format(form, kind)
        except ValueError as error:
            raise OptionMistake(f"{form!r} {error}", ("formats", name)) from None


def _check_new_names(options: MeasurementOptions) -> None:
    """Check that no new name is given twice."""
    seen: dict[str, Location] = {options.rename.get(TIME, TIME): ("rename", TIME)}
    if options.nanoseconds is Nanoseconds.KEEP and options.nanoseconds_column in _given(options):
        raise OptionMistake(
            f"is {options.nanoseconds_column}, and so is another column", ("nanoseconds_column",), *_place_of(options)
        )
    for name, place in _new_names(options):
        if name in seen and seen[name] != place:
            taken = "the time" if seen[name] == ("rename", TIME) else "->".join(map(str, seen[name]))
            raise OptionMistake(f"gives a column the name {name}, which {taken} has already: write another one", place)
        seen[name] = place


def _new_names(options: MeasurementOptions) -> Iterator[tuple[str, Location]]:
    for source, name in options.rename.items():
        if source not in options.metadata_columns:
            yield name, ("rename", source)
    for name in options.constants:
        yield name, ("constants", name)
    for name in options.metadata_columns:
        yield options.rename.get(name, name), ("metadata_columns", name)
    for name in options.computed:
        yield name, ("computed", name)


def _given(options: MeasurementOptions) -> set[str]:
    return {name for name, _ in _new_names(options)}


def _place_of(options: MeasurementOptions) -> list[Location]:
    return [place for name, place in _new_names(options) if name == options.nanoseconds_column]


def _check_table_names(options: MeasurementOptions) -> None:
    """Check that options use the table's column names."""
    given = _given(options)
    for name, place in _uses(options):
        new = options.rename.get(name)
        if new is not None and name not in given:
            message = f"names {name}, which is called {new} in the table: write {new}"
            raise OptionMistake(message, place)
    time = options.rename.get(TIME, TIME)
    if time in options.write.key:
        raise OptionMistake(f"names {time}, the time, which is part of every key: leave it out", ("write", "key"))


def _uses(options: MeasurementOptions) -> Iterator[tuple[str, Location]]:
    """The columns that options name, with the options."""
    write = options.write
    yield from ((term.column, ("write", "sort_by")) for term in write.sort_by or ())
    yield from ((name, ("write", "bloom_filter")) for name in write.bloom_filter)
    yield from ((name, ("write", "key")) for name in write.key)
    yield from ((term.column, ("iceberg_partition",)) for term in options.iceberg_partition or ())
    yield from ((name, ("map", name)) for name in options.map)
    for name, text in options.computed.items():
        yield from ((each.name, ("computed", name)) for each in column_references(text))
    if options.where is not None:
        yield from ((each.name, ("where",)) for each in column_references(options.where))
    for number, erased in enumerate(options.erased):
        for each in column_references(erased.where) if erased.where is not None else ():
            yield each.name, ("erased", number, "where")
    checks = options.checks
    yield from ((name, ("checks", "gaps", "by")) for name in checks.gaps.by)
    yield from ((name, ("checks", "outliers", "columns")) for name in checks.outliers.columns)
    for number, rule in enumerate(checks.values):
        yield from ((name, ("checks", "values", number, "column")) for name in (rule.column,) if name is not None)
        for each in column_references(rule.condition) if rule.condition is not None else ():
            yield each.name, ("checks", "values", number, "condition")
    for rollup, declared in options.rollups.items():
        yield from ((name, ("rollups", rollup, "by")) for name in declared.by or ())
        yield from ((name, ("rollups", rollup, "fields", name)) for name in declared.fields or {})


def _check_order(options: MeasurementOptions) -> None:
    """Check that a computed column uses only earlier ones."""
    names = list(options.computed)
    for number, (name, text) in enumerate(options.computed.items()):
        for each in column_references(text):
            if each.name in names[number:]:
                later = "itself" if each.name == name else f"{each.name}, which stands below it: put it below that"
                raise OptionMistake(f"is computed from {later}", ("computed", name))

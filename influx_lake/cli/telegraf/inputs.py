"""The measurements that Telegraf's inputs write."""

from __future__ import annotations

from collections.abc import Mapping

from influx_lake.cli.telegraf.document import Document, Plugin
from influx_lake.cli.telegraf.filters import EVERY_NAME, ColumnFilter, NameFilter, matches
from influx_lake.cli.telegraf.known_columns import known_columns
from influx_lake.cli.telegraf.remarks import Remarks
from influx_lake.cli.telegraf.shape import Shape
from influx_lake.config.values.patterns import is_pattern

_OWN_NAME = """
apache chrony conntrack cpu disk diskio dns_query filecount filestat http_response interrupts kernel kernel_vmstat
linux_sysctl_fs mem memcached net net_response netstat nginx nstat ntpq ping processes procstat smart_device
soft_interrupts swap system systemd_units temp tengine wireless x509_cert zfs
"""
"""Plugins whose measurement has the plugin's name."""
_SEVERAL: Mapping[str, tuple[str, ...]] = {
    "docker": ("docker", "docker_*"),
    "internal": ("internal_*",),
    "mysql": ("mysql", "mysql_*"),
    "redis": ("redis", "redis_*"),
    "smart": ("smart_device", "smart_attribute"),
    "win_perf_counters": ("win_*",),
}
_LISTENERS = {
    "influxdb_listener": ("InfluxDB 1", ":8186", "database_tag"),
    "influxdb_v2_listener": ("InfluxDB 2", ":8086", "bucket_tag"),
}


def names_of(plugin: Plugin) -> tuple[str, ...]:
    """The names and patterns of measurements that an input writes; where they are unknown, those that `namepass` asks
    for.
    """
    options = plugin.options
    base = (plugin.name,) if plugin.name in _OWN_NAME.split() else _SEVERAL.get(plugin.name, (EVERY_NAME,))
    if options.get("name_override"):
        base = (str(options["name_override"]),)
    if options.get("name_prefix") or options.get("name_suffix"):
        base = tuple(f"{options.get('name_prefix') or ''}{name}{options.get('name_suffix') or ''}" for name in base)
    names = NameFilter.of(plugin)
    chosen = [name for name in base if names.takes(name)]
    # Of unknown measurements, those that `namepass` asks for.
    inner = [name for name in names.passed if any(is_pattern(each) and matches(name, [each]) for each in base)]
    return tuple(dict.fromkeys([*inner, *chosen]))


def note_inputs(document: Document, remarks: Remarks) -> None:
    """Add remarks on the inputs."""
    for plugin in document.of("inputs"):
        if plugin.name in _LISTENERS:
            version, address, tag = _LISTENERS[plugin.name]
            kept = plugin.options.get(tag)
            what = (
                f"the database that they name is the tag {kept}" if kept else "the database that they name is not kept"
            )
            destination = plugin.options.get("service_address") or address
            remarks.note(
                plugin, f"writers of {version} send to {destination}, in the precision of each request; {what}"
            )
        elif EVERY_NAME in names_of(plugin):
            remarks.note(plugin, "which measurements it writes is not known here: `*` stands for them")
    if document.global_tags and document.plugins:
        names = ", ".join(document.global_tags)
        remarks.note(
            document.plugins[0], f"global_tags ({names}) are tags of every point, and so columns of every table"
        )


def shape_of(name: str, document: Document) -> Shape:
    """The shape of a measurement before processors, with its known columns."""
    writers = [plugin for plugin in document.of("inputs") if name in names_of(plugin)]
    tags = set(document.global_tags)
    if not document.agent.get("omit_hostname"):
        tags.add("host")
    own = [set(plugin.options["tags"]) for plugin in writers if isinstance(plugin.options.get("tags"), dict)]
    tags |= set.intersection(*own) if own and len(own) == len(writers) else set()
    known = [known_columns(plugin.name) for plugin in writers]
    is_closed = (
        bool(known)
        and None not in known
        and not any(EVERY_NAME in names_of(plugin) for plugin in document.of("inputs"))
    )
    columns = frozenset[str]().union(*(each for each in known if each))
    return Shape(name, frozenset(tags) | columns, closed=is_closed)


def choose_columns(shape: Shape, document: Document, remarks: Remarks) -> None:
    """Apply the column filters of a measurement's inputs."""
    writers = [plugin for plugin in document.of("inputs") if shape.name in names_of(plugin)]
    filters = [ColumnFilter.of(plugin) for plugin in writers]
    if not filters:
        return
    if any(each != filters[0] for each in filters):
        remarks.leave_out(
            writers[-1], f"several inputs write {shape.name} and leave out different columns", "fieldinclude"
        )
        return
    apply_filter(shape, filters[0], writers[0], remarks)


def apply_filter(shape: Shape, columns: ColumnFilter, plugin: Plugin, remarks: Remarks) -> None:
    """Apply the column filter of a plugin."""
    for kind, (include, exclude) in (("field", columns.fields), ("tag", columns.tags)):
        if include is None and not exclude:
            continue
        with remarks.leaving_out(plugin, f"{kind}include"):
            shape.choose(kind, include, exclude)
        if kind == "tag":
            remarks.note(plugin, "points that only such a tag told apart are all kept (duplicates: keep)", "tagexclude")

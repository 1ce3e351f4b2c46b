"""Each processor of Telegraf as options of lake.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from influx_lake_tests.unit.cli.telegraf.configuration import OUTPUT, lake_of, options_of

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "rename": (
        """
        [[processors.rename]]
          [[processors.rename.replace]]
            measurement = "m"
            dest = "throughput"
          [[processors.rename.replace]]
            tag = "hostname"
            dest = "host"
          [[processors.rename.replace]]
            field = "lower"
            dest = "min"
        """,
        {"table": "throughput", "rename": {"hostname": "host", "lower": "min"}},
    ),
    "converter": (
        """
        [[processors.converter]]
          [processors.converter.tags]
            string = ["port"]
          [processors.converter.fields]
            integer = ["count"]
            unsigned = ["bytes"]
            float = ["load"]
            boolean = ["up"]
            tag = ["region"]
        """,
        {
            "types": {
                "count": "long",
                "bytes": "decimal(20, 0)",
                "load": "double",
                "up": "boolean",
                "region": "string",
            }
        },
    ),
    "converter of tags alone": (
        "[[processors.converter]]\n[processors.converter.tags]\nfloat = ['port']",
        {"types": {"port": "double"}, "on_cast_error": "null"},
    ),
    "types are of the names in the source": (
        """
        [[processors.rename]]
          [[processors.rename.replace]]
            field = "a"
            dest = "b"
        [[processors.converter]]
          [processors.converter.fields]
            integer = ["b"]
        """,
        {"rename": {"a": "b"}, "types": {"a": "long"}},
    ),
    "order": (
        """
        [[processors.converter]]
          order = 2
          [processors.converter.fields]
            integer = ["b"]
        [[processors.rename]]
          order = 1
          [[processors.rename.replace]]
            field = "a"
            dest = "b"
        """,
        {"rename": {"a": "b"}, "types": {"a": "long"}},
    ),
    "enum": (
        """
        [[processors.enum]]
          [[processors.enum.mapping]]
            tags = ["method"]
            default = "other"
            [processors.enum.mapping.value_mappings]
              GET = "read"
        """,
        {"map": {"method": {"GET": "read", "*": "other"}}},
    ),
    "enum into another column": (
        """
        [[processors.enum]]
          [[processors.enum.mapping]]
            field = "status"
            dest = "code"
            [processors.enum.mapping.value_mappings]
              green = 1
              red = 3
        """,
        {"computed": {"code": "CASE CAST(status AS VARCHAR) WHEN 'green' THEN 1 WHEN 'red' THEN 3 END"}},
    ),
    "enum of numbers, with a default": (
        """
        [[processors.enum]]
          [[processors.enum.mapping]]
            fields = ["status"]
            dest = "word"
            default = "?"
            [processors.enum.mapping.value_mappings]
              0 = "off"
        """,
        {
            "computed": {
                "word": "CASE WHEN status IS NOT NULL THEN CASE TRY_CAST(status AS DOUBLE) WHEN 0 THEN 'off' "
                "ELSE '?' END END"
            }
        },
    ),
    "enum in the place of a number": (
        """
        [[processors.enum]]
          [[processors.enum.mapping]]
            fields = ["status"]
            [processors.enum.mapping.value_mappings]
              up = 1
        """,
        {"map": {"status": {"up": "1"}}, "types": {"status": "long"}},
    ),
    "enum of what was cast": (
        """
        [[processors.converter]]
          [processors.converter.fields]
            integer = ["status"]
        [[processors.enum]]
          [[processors.enum.mapping]]
            fields = ["status"]
            [processors.enum.mapping.value_mappings]
              1 = "up"
        """,
        {
            "rename": {"status": "status_source"},
            "types": {"status": "long"},
            "computed": {"status": "CASE TRY_CAST(status_source AS DOUBLE) WHEN 1 THEN 'up' END"},
        },
    ),
    "date": (
        """
        [[processors.date]]
          tag_key = "month"
          date_format = "Jan"
        [[processors.date]]
          field_key = "day"
          date_format = "2006-01-02T15:04:05.000Z07:00"
          date_offset = "-1h30m"
        [[processors.date]]
          field_key = "hour"
          date_format = "15"
          timezone = "Europe/Berlin"
        [[processors.date]]
          field_key = "ms"
          date_format = "unix_ms"
        """,
        {
            "computed": {
                "month": "strftime(time, '%b')",
                "day": "strftime(time + INTERVAL '-5400 seconds', '%Y-%m-%dT%H:%M:%S.%gZ')",
                "hour": "strftime(timezone('Europe/Berlin', timezone('UTC', time)), '%H')",
                "ms": "epoch_ms(time)",
            }
        },
    ),
    "strings": (
        """
        [[processors.strings]]
          [[processors.strings.trim_prefix]]
            tag = "uri"
            prefix = "/api/"
          [[processors.strings.lowercase]]
            tag = "uri"
          [[processors.strings.uppercase]]
            field = "cs-host"
            dest = "host"
          [[processors.strings.replace]]
            field_key = "a-b"
            old = "-"
            new = "_"
          [[processors.strings.uppercase]]
            measurement = "*"
        """,
        {
            "table": "M",
            "rename": {"uri": "uri_source", "a-b": "a_b"},
            "computed": {
                "host": 'upper("cs-host")',
                "uri": "CASE WHEN starts_with((lower(uri_source)), '/api/') THEN substr((lower(uri_source)), 6) "
                "ELSE (lower(uri_source)) END",
            },
        },
    ),
    "override": (
        """
        [[processors.override]]
          name_suffix = "_all"
          [processors.override.tags]
            pipeline = "1.0"
        """,
        {"table": "m_all", "constants": {"pipeline": "1.0"}},
    ),
    "defaults": (
        """
        [[processors.defaults]]
          [processors.defaults.fields]
            retries = 0
        """,
        {"rename": {"retries": "retries_source"}, "computed": {"retries": "coalesce(retries_source, 0)"}},
    ),
    "scale": (
        """
        [[processors.scale]]
          [[processors.scale.scaling]]
            input_minimum = 0.0
            input_maximum = 50.0
            output_minimum = 50.0
            output_maximum = 100.0
            fields = ["cpu"]
        """,
        {
            "rename": {"cpu": "cpu_source"},
            "computed": {"cpu": "1.0::DOUBLE * (cpu_source - 0.0::DOUBLE) + 50.0::DOUBLE"},
        },
    ),
    "template": (
        """
        [[processors.template]]
          tag = "topic"
          template = '{{ .Tag "host" }}.{{ .Name }}-{{.Time.UTC.Year}}'
        """,
        {"computed": {"topic": "concat(host, '.', 'm', '-', strftime(time, '%Y'), '')"}},
    ),
    "regex": (
        r"""
        [[processors.regex]]
          [[processors.regex.tags]]
            key = "code"
            pattern = "^(\\d)\\d\\d$"
            replacement = "${1}xx"
            result_key = "class"
          [[processors.regex.fields]]
            key = "request"
            pattern = "^/api(?P<method>/[\\w/]+)\\S*"
            replacement = "${method}"
          [[processors.regex.metric_rename]]
            pattern = "^(m)$"
            replacement = "${1}etric"
        """,
        {
            "table": "metric",
            "rename": {"request": "request_source"},
            "computed": {
                "class": r"CASE WHEN regexp_matches(code, '^(\d)\d\d$') THEN "
                r"regexp_replace(code, '^(\d)\d\d$', '\1xx', 'g') END",
                "request": r"CASE WHEN regexp_matches(request_source, '^/api(?P<method>/[\w/]+)\S*') THEN "
                r"regexp_replace(request_source, '^/api(?P<method>/[\w/]+)\S*', '\1', 'g') ELSE request_source END",
            },
        },
    ),
    "filter": (
        """
        [[processors.filter]]
          [[processors.filter.rule]]
            tags = {env = ["test", "dev*"]}
          [[processors.filter.rule]]
            name = ["other"]
        """,
        {"where": "NOT (env IS NOT NULL AND (env = 'test' OR env GLOB 'dev*'))"},
    ),
    "filter that lets through": (
        """
        [[processors.filter]]
          default = "drop"
          [[processors.filter.rule]]
            tags = {status = ["warning", "failure"]}
            action = "pass"
        """,
        {"where": "status IS NOT NULL AND status IN ('warning', 'failure')"},
    ),
    "filter of all": ("[[processors.filter]]\ndefault = 'drop'", {"enabled": False}),
    "starlark": (
        """
        [[processors.starlark]]
          source = '''
        [[not.a.plugin]]
        def apply(metric):
            "used"
            idle = metric.fields["idle"]
            metric.fields["used"] = 100 - idle
            metric.fields["critical"] = metric.fields["used"] > 95 and metric.tags["cpu"] == "cpu-total"
            metric.fields.pop("idle")
            if metric.fields.get("steal", 0) > 5:
                metric.tags["noisy"] = "yes"
            return metric
        '''
        """.replace("        [[not.a.plugin]]\n", ""),
        {
            "rename": {},
            "computed": {
                "used": "(100 - (idle))",
                "critical": "((used > 95) AND (cpu = 'cpu-total'))",
                "noisy": "CASE WHEN (coalesce(steal, 0) > 5) THEN 'yes' END",
            },
        },
    ),
    "tags that a processor leaves out": (
        "[[processors.override]]\ntagexclude = ['id', 'x*']\nfieldinclude = ['a*']\n",
        {"fields": {"include": ["a*"]}, "tags": {"exclude": ["id", "x*"]}, "duplicates": "keep"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_processor_becomes_options(case: str, tmp_path: Path) -> None:
    processors, expected = CASES[case]
    expected = {name: value for name, value in expected.items() if value != {}}
    assert options_of(tmp_path, processors) == expected


NOT_CARRIED_OVER = {
    "[[processors.topk]]\nk = 3": "processors.topk",
    "[[processors.unpivot]]": "layout: long",
    "[[processors.round]]\nprecision = 1": "an expression names each column",
    "[[processors.converter]]\n[processors.converter.fields]\ninteger = ['scboard_*']": "does 'scboard_*' stand for",
    "[[processors.converter]]\n[processors.converter.tags]\nmeasurement = ['topic']": "all of one measurement",
    "[[processors.converter]]\n[processors.converter.fields]\ntimestamp = ['t']": "the time of a row",
    "[[processors.date]]\ntag_key = 'd'\ndate_format = 'Jan _2'": "strftime has no format",
    "[[processors.date]]\ntag_key = 'd'\ndate_format = 'Jan'\ntimezone = 'Local'": "Telegraf's machine",
    "[[processors.strings]]\n[[processors.strings.titlecase]]\nfield = 'a'": "no function of SQL",
    "[[processors.strings]]\n[[processors.strings.lowercase]]\ntag = '*'": "changes all columns",
    "[[processors.regex]]\n[[processors.regex.tag_rename]]\npattern = 'a'\nreplacement = 'b'": "`rename` names each",
    "[[processors.template]]\ntag = 't'\ntemplate = '{{ .Fields }}'": "more than a tag",
    "[[processors.starlark]]\nscript = '/x.star'": "in a file of its own",
    '[[processors.starlark]]\nsource = "def apply(metric):\\n  return None"': "does not end with `return metric`",
    "[[processors.starlark]]\nsource = \"def apply(m):\\n  m.fields['a'] = m.fields['b'] % 3\\n  return m\"": "SQL",
    "[[processors.filter]]\n[[processors.filter.rule]]\nfields = ['a']": "field IS NOT NULL",
    "[[processors.rename]]\n[processors.rename.tagpass]\na = ['b']": "an option is for all rows",
    "[[processors.rename]]\nreplaces = []": "no option that is known",
    "[[processors.rename]]\n[[processors.rename.replace]]\nfield = 'time'\ndest = 'at'": "no tag or field called time",
}


@pytest.mark.parametrize("processor", NOT_CARRIED_OVER)
def test_what_is_not_carried_over_is_told_with_its_line(processor: str, tmp_path: Path) -> None:
    found = lake_of(tmp_path, f"[[inputs.exec]]\nname_override = 'm'\n\n{processor}\n{OUTPUT}")
    [told] = found.left_out
    assert NOT_CARRIED_OVER[processor] in str(told)
    assert told.file == tmp_path / "telegraf.conf"
    # Not always of the plugin itself, but never before it.
    assert told.line >= 4
    assert found.measurements == {"m": {}}


def test_columns_that_no_measurement_is_known_to_have_are_told(tmp_path: Path) -> None:
    """Telegraf writes more with each version than its inputs' pages list."""
    replaces = [("usage_idle", "idle"), ("used", "in_use"), ("usage_future", "future")]
    text = "".join(f"[[processors.rename.replace]]\nfield = '{one}'\ndest = '{other}'\n" for one, other in replaces)
    found = lake_of(tmp_path, f"[[inputs.cpu]]\n[[inputs.mem]]\n[[processors.rename]]\n{text}{OUTPUT}")
    assert found.measurements == {"cpu": {"rename": {"usage_idle": "idle"}}, "mem": {"rename": {"used": "in_use"}}}
    [told] = found.left_out
    assert "no measurement is known to have usage_future" in str(told)


def test_a_processor_that_takes_few_measurements(tmp_path: Path) -> None:
    found = lake_of(
        tmp_path,
        """
        [[inputs.influxdb_listener]]
        [[processors.date]]
          tag_key = "day"
          date_format = "2"
        [[processors.override]]
          namepass = ["http_{a,b}*", "cpu"]
          namedrop = ["http_api"]
          tags = {team = "web"}
        """
        + OUTPUT,
    )
    web = {"constants": {"team": "web"}}
    assert found.defaults == {"computed": {"day": "strftime(time, '%-d')"}}
    assert found.measurements == {"cpu": web, "http_api": {}, "http_a*": web, "http_b*": web, "*": {}}


def test_what_is_computed_needs_columns_that_are_there(tmp_path: Path) -> None:
    text = """
    [global_tags]
      dc = "EU"
    [[inputs.cpu]]
    [[inputs.mem]]
    [[inputs.exec]]
      name_override = "other"
    [[processors.strings]]
      [[processors.strings.lowercase]]
        field = "usage_idle"
        dest = "a"
      [[processors.strings.lowercase]]
        tag = "dc"
        dest = "b"
    """
    found = lake_of(tmp_path, text + OUTPUT)
    assert found.defaults == {"computed": {"b": "lower(dc)"}}
    assert found.measurements == {"cpu": {"computed": {"a": "lower(usage_idle)"}}, "mem": {}, "other": {}}
    [told] = found.left_out
    assert "usage_idle is not known: write it for those that do, computed: {a: 'lower(usage_idle)'}" in told.why


def test_what_is_computed_for_all_measurements_is_told(tmp_path: Path) -> None:
    processors = "[[processors.date]]\ntag_key = 'a'\ndate_format = 'Jan'\n"
    processors += "[[processors.strings]]\n[[processors.strings.lowercase]]\ntag = 'region'\ndest = 'b'\n"
    found = lake_of(tmp_path, f"[[inputs.influxdb_listener]]\n{processors}{OUTPUT}")
    assert found.measurements == {"*": {"computed": {"a": "strftime(time, '%b')", "b": "lower(region)"}}}
    [told] = [note for note in found.notes if "one without the columns is refused" in note.why]
    assert told.what == "processors.strings"


def test_aggregators_are_rollups(tmp_path: Path) -> None:
    found = lake_of(
        tmp_path,
        """
        [[inputs.cpu]]
        [[aggregators.basicstats]]
          period = "5m"
          stats = ["mean", "max", "stdev"]
        [[aggregators.minmax]]
          period = "1h"
          fieldinclude = ["usage_idle"]
        [[aggregators.histogram]]
        """
        + OUTPUT,
    )
    assert found.measurements["cpu"]["rollups"] == {
        "basicstats_5m": {"every": "5m", "functions": ["mean", "max"]},
        "minmax_1h": {"every": "1h", "fields": {"usage_idle": ["min", "max"]}},
    }
    assert [told.what for told in found.left_out] == ["aggregators.basicstats.stats", "aggregators.histogram"]

"""Processors of Telegraf, and the options of lake.yaml that do the same."""

from __future__ import annotations

from typing import Any

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

"""Each processor of Telegraf as options of lake.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from influx_lake_tests.unit.cli.telegraf.configuration import OUTPUT, lake_of, options_of
from influx_lake_tests.unit.cli.telegraf.processor_cases import CASES


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
def test_what_is_not_carried_over_is_reported_with_its_line(processor: str, tmp_path: Path) -> None:
    found = lake_of(tmp_path, f"[[inputs.exec]]\nname_override = 'm'\n\n{processor}\n{OUTPUT}")
    [told] = found.left_out
    assert NOT_CARRIED_OVER[processor] in str(told)
    assert told.file == tmp_path / "telegraf.conf"
    # Not always of the plugin itself, but never before it.
    assert told.line >= 4
    assert found.measurements == {"m": {}}


def test_columns_that_no_measurement_is_known_to_have_are_reported(tmp_path: Path) -> None:
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


def test_what_is_computed_needs_columns_that_exist(tmp_path: Path) -> None:
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


def test_what_is_computed_for_all_measurements_is_reported(tmp_path: Path) -> None:
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

"""What lake.yaml accepts for Dagster is what Dagster accepts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from dagster._core.definitions.utils import is_valid_owner, validate_group_name
from dagster._core.errors import DagsterInvalidDefinitionError
from dagster._utils.tags import is_valid_strict_tag_value, is_valid_tag_key
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from influx_lake.config.measurements.options import MeasurementOptions
from influx_lake.config.values.validated_names import Owner, TagKey, TagValue

short = st.text(alphabet="aZ0._-/@+: %\nä", max_size=12)


def accepts(kind: Any) -> Callable[[str], bool]:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)

    def check(value: str) -> bool:
        try:
            adapter.validate_python(value)
        except ValidationError:
            return False
        return True

    return check


owner, tag_key, tag_value = accepts(Owner), accepts(TagKey), accepts(TagValue)
group = accepts(MeasurementOptions.model_fields["group"].rebuild_annotation())


@given(short | st.builds("{}@{}.{}".format, short, short, st.sampled_from(["de", "example", "x"])))
@example("team:")
@example("team:x")
@example("a@b.de")
def test_owners(text: str) -> None:
    assert owner(text) == is_valid_owner(text)


@given(short)
@example("a" * 63)
@example("a" * 64)
@example("a/" + "b" * 63)
@example("a/b/c")
def test_tag_keys(text: str) -> None:
    # A final newline passes Dagster's `$`; nobody means it.
    assert tag_key(text) == (is_valid_tag_key(text) and not text.endswith("\n"))


@given(short)
@example("")
@example("a" * 63)
@example("a" * 64)
def test_tag_values(text: str) -> None:
    assert tag_value(text) == (is_valid_strict_tag_value(text) and not text.endswith("\n"))


@given(short.filter(bool))
@example("a/b")
@example("a//b")
def test_groups(text: str) -> None:
    try:
        validate_group_name(text)
    except DagsterInvalidDefinitionError:
        dagster = False
    else:
        dagster = not text.endswith("\n")
    assert group(text) == dagster


def test_dagsters_own_tags_are_ours_to_set() -> None:
    assert not tag_key("dagster/partition")


def test_an_empty_group_is_refused() -> None:
    with pytest.raises(ValidationError):
        MeasurementOptions.model_validate({"group": ""})

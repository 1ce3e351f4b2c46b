from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config import Secret
from influx_lake.config.references.resolving import ReferenceMistake, Template
from influx_lake.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SET", "value")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("UNSET", raising=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        ("${SET}", "value"),
        ("a-${SET}-b-${SET}", "a-value-b-value"),
        ("${UNSET:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${UNSET:-}", ""),
        ("${SET:-${UNSET}}", "value"),
        ("${UNSET:-${EMPTY:-${SET}}}", "value"),
        ("$${SET}", "${SET}"),
        ("$$${SET}", "$${SET}"),
        ("$5 and 100%", "$5 and 100%"),
        ("a}b{c", "a}b{c"),
        ("${file:name}", "from a file"),
        ("${UNSET:-${file:name}}", "from a file"),
        ("${file:${UNSET:-na}me}", "from a file"),
    ],
)
def test_references(text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "name").write_text("  from a file\n")
    assert Template.parse(text).resolve(tmp_path) == expected
    assert Secret(text, root=tmp_path).reveal() == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${", "does not start a reference"),
        ("${}", "does not start a reference"),
        ("${SET", "does not start a reference"),
        ("${SET:-x", "not closed"),
        ("${SET-x}", "does not start a reference"),
        ("${1A}", "does not start a reference"),
        ("${vault:x}", "not a reference that is known"),
        ("${files:x}", "did you mean file?"),
        ("${file:}", "does not say what"),
        ("${file:a", "not closed"),
        ("${A:-" * 30 + "}" * 30, "nested deeper"),
    ],
)
def test_what_is_no_reference_is_refused(text: str, message: str) -> None:
    with pytest.raises(ReferenceMistake, match=message):
        Template.parse(f"hunter2{text}")
    with pytest.raises(ReferenceMistake) as caught:
        Template.parse(f"hunter2{text}")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["${UNSET}", "${EMPTY}", "${UNSET:-${UNSET}}"])
def test_a_missing_variable_is_named(text: str) -> None:
    name = "EMPTY" if "EMPTY" in text else "UNSET"
    assert list(Template.parse(text).missing_variables()) == [name]
    with pytest.raises(ConfigurationError, match=name):
        Template.parse(text).resolve(Path())


def test_a_variable_with_another_way_out_is_not_missing() -> None:
    assert not list(Template.parse("${SET:-${UNSET}}${UNSET:-${file:x}}").missing_variables())


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        template = Template.parse(text)
    except ReferenceMistake:
        assert "${" in text
        return
    if "${" not in text:
        assert template.resolve(Path()) == text


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_escaped_text_comes_back(text: str) -> None:
    assert Template.parse(text.replace("${", "$${")).resolve(Path()) == text

"""Values for values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.transforms.options import OTHERWISE
from influx_lake.errors import ConfigurationError
from influx_lake.iceberg.columns.exact_cast import plain


@dataclass(frozen=True, slots=True)
class ValueMap:
    """Puts values in the place of others.

    What comes as a dictionary is mapped in its dictionary, once for each distinct value.

    Attributes:
        column: The column, as the table names it, for messages.
        values: The new values by the old ones' texts; None for no value.
    """

    column: str
    values: Mapping[str, str | None]

    def type_of(self, kind: pa.DataType) -> pa.DataType:
        """The type that comes, where every new value can be of it; else text."""
        base = plain(kind)
        made = base if self._fits(base) else pa.string()
        return pa.dictionary(pa.int32(), made) if pa.types.is_dictionary(kind) else made

    def apply(self, values: pa.Array) -> tuple[pa.Array, None]:
        """Map values; what has none keeps none."""
        if pa.types.is_dictionary(values.type):
            mapped = self._mapped(values.dictionary.cast(plain(values.type)))
            # Several values may have become one: a dictionary has each once.
            compact = mapped.dictionary_encode()
            indices = compact.indices.take(values.indices.cast(pa.int32()))
            return pa.DictionaryArray.from_arrays(indices, compact.dictionary), None
        distinct = values.dictionary_encode()
        return self._mapped(distinct.dictionary).take(distinct.indices), None

    def _mapped(self, distinct: pa.Array) -> pa.Array:
        made = self.type_of(distinct.type)
        is_text = pa.types.is_string(made)
        old = [_text(value) for value in distinct.to_pylist()]
        kept = old if is_text else distinct.to_pylist()
        otherwise = OTHERWISE in self.values
        new = [
            self._as(self.values[text], made)
            if text in self.values and text != OTHERWISE
            else self._as(self.values[OTHERWISE], made)
            if otherwise
            else before
            for text, before in zip(old, kept, strict=True)
        ]
        return pa.array(new, made)

    def _fits(self, kind: pa.DataType) -> bool:
        try:
            for value in self.values.values():
                self._as(value, kind)
        except pa.ArrowInvalid:
            return False
        return True

    @staticmethod
    def _as(value: str | None, kind: pa.DataType) -> object:
        if value is None or pa.types.is_string(kind):
            return value
        return pc.cast(pa.scalar(value), kind).as_py()


def check_mappable(column: str, kind: pa.DataType) -> None:
    """Make sure that values of a type can be told by their texts.

    Raises:
        ConfigurationError: They cannot.
    """
    if any(is_of(plain(kind)) for is_of in (pa.types.is_string, pa.types.is_integer, pa.types.is_boolean)):
        return
    raise ConfigurationError(
        f"`map` names {column}, which is {kind}: texts, whole numbers and booleans can be mapped",
        remedy='Compute a column instead: computed: {name: "case when ... then ... end"}',
    )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

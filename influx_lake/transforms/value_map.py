"""Maps values to other values (`map`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.transforms.options import OTHERWISE
from influx_lake.errors import ConfigurationError
from influx_lake.iceberg.columns.exact_cast import plain


@dataclass(frozen=True, slots=True)
class _Mapped:
    """A dictionary of input values, and its mapping.

    Attributes:
        distinct: The input dictionary.
        indices: The index of each of its values in the new dictionary; null where the new value is null.
        dictionary: The new dictionary.
    """

    distinct: pa.Array
    indices: pa.Array
    dictionary: pa.Array


@dataclass(frozen=True, slots=True)
class ValueMap:
    """Maps values.

    Dictionaries are mapped once for each distinct value. Strings become dictionaries, which the writer writes without
    another pass over them.

    Attributes:
        column: The column, by its name in the table, for messages.
        values: The new values by the strings of the old ones; None: null.
    """

    column: str
    values: Mapping[str, str | None]
    _known: list[_Mapped] = field(default_factory=list, init=False, repr=False, compare=False)

    def type_of(self, kind: pa.DataType) -> pa.DataType:
        """The input type, where it can hold every new value; else string."""
        base = plain(kind)
        made = base if self._fits(base) else pa.string()
        is_dictionary = pa.types.is_dictionary(kind) or (pa.types.is_string(base) and pa.types.is_string(made))
        return pa.dictionary(pa.int32(), made) if is_dictionary else made

    def apply(self, values: pa.Array) -> tuple[pa.Array, None]:
        """Map values; null stays null."""
        distinct = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
        if not pa.types.is_dictionary(self.type_of(values.type)):
            return self._mapped(distinct.dictionary).take(distinct.indices), None
        mapped = self._of(distinct.dictionary)
        indices = mapped.indices.take(distinct.indices)
        return pa.DictionaryArray.from_arrays(indices, mapped.dictionary, safe=False), None

    def _of(self, distinct: pa.Array) -> _Mapped:
        """The mapping of a dictionary; cached, since consecutive batches mostly have the same one."""
        for known in tuple(self._known):
            if known.distinct.equals(distinct):
                return known
        # Several values may be mapped to one: encode again, so that the dictionary has each once.
        compact = self._mapped(distinct.cast(plain(distinct.type))).dictionary_encode()
        mapped = _Mapped(distinct, compact.indices, compact.dictionary)
        self._known[:] = [mapped]
        return mapped

    def _mapped(self, distinct: pa.Array) -> pa.Array:
        made = plain(self.type_of(distinct.type))
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
            made = [(value, self._as(value, kind)) for value in self.values.values() if value is not None]
        except pa.ArrowInvalid:
            return False
        # `1` for a boolean and `01` for a number are not canonical: then the string is meant.
        return all(_text(new) == value for value, new in made)

    @staticmethod
    def _as(value: str | None, kind: pa.DataType) -> object:
        if value is None or pa.types.is_string(kind):
            return value
        return pc.cast(pa.scalar(value), kind).as_py()


def check_mappable(column: str, kind: pa.DataType) -> None:
    """Check that values of a type have unambiguous strings, by which `map` finds them.

    Raises:
        ConfigurationError: They do not.
    """
    if any(is_of(plain(kind)) for is_of in (pa.types.is_string, pa.types.is_integer, pa.types.is_boolean)):
        return
    raise ConfigurationError(
        f"`map` names {column}, which is {kind}: only strings, integers and booleans can be mapped",
        remedy='Compute a column instead: computed: {name: "case when ... then ... end"}',
    )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

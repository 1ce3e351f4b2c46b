"""Which Iceberg types hold all values of another one, and which promotions Iceberg allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.types import IcebergType

LONG_DIGITS = 19


def holds(there: IcebergType, here: IcebergType) -> bool:
    """Whether a column of the type `there` holds every value of the type `here`."""
    from pyiceberg.types import DecimalType, IntegerType, LongType, MapType

    if isinstance(there, MapType) and isinstance(here, MapType):
        # The parts of a map have field ids, which make equal types unequal.
        return holds(there.key_type, here.key_type) and holds(there.value_type, here.value_type)
    if isinstance(there, DecimalType) and isinstance(here, LongType | IntegerType):
        return there.scale == 0 and there.precision >= LONG_DIGITS
    return here == there or is_promotion(here, there)


def is_promotion(narrow: IcebergType, wide: IcebergType) -> bool:
    """Whether Iceberg allows to promote a column of one type to the other."""
    from pyiceberg.types import DecimalType, DoubleType, FloatType, IntegerType, LongType

    if isinstance(narrow, DecimalType) and isinstance(wide, DecimalType):
        return narrow.scale == wide.scale and narrow.precision < wide.precision
    return (type(narrow), type(wide)) in {(IntegerType, LongType), (FloatType, DoubleType)}

"""Speed and memory, each figure beside a reference measured in the same run."""

# Before pyarrow, whose allocator it chooses.
import influx_lake  # noqa: F401

"""The project that `influx-lake new` writes. `my_lake/` is it, as a project of that name."""

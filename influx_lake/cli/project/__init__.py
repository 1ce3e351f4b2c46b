"""The project template of `influx-lake new`: `my_lake/` is the project under that name."""

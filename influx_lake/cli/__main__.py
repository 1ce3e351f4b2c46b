"""`python -m influx_lake.cli` is `influx-lake`."""

from influx_lake.cli.entry import main

main()

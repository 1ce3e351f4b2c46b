"""One module for each command of `influx-lake`."""

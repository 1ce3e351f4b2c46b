"""Drives Spark for the run that started this process."""

from influx_lake.orchestration.spark.job import main

main()

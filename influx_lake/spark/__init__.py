"""Spark as a worker: its executors parse files and write parts of windows, and the run commits them.

Spark only distributes the work: the executors run the same code as a load without Spark, which parses files, decides
the types of columns and writes rows to a table's files.
"""

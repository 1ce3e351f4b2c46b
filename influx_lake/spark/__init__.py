"""Spark as a worker: it takes files apart and writes parts of windows, and the run commits them.

Spark distributes, and nothing else: what a file holds, which types columns have and how rows become rows of a table is
decided by the same code as everywhere, which runs in its executors.
"""

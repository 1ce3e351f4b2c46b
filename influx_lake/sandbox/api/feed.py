"""Streams a query's batches to a client with back-pressure, keep-alive batches and cancellation."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator

import pyarrow as pa


class Stopped(Exception):
    """The server is stopping."""


class Feed:
    """Runs a query in its own thread, a few batches ahead of the client.

    Args:
        batches: The rows; they are produced only as fast as they are consumed.
        schema: Their schema.
        keep_alive: Seconds after which an empty batch is sent if no rows were ready.
        delay: Seconds to wait before each batch.
    """

    def __init__(
        self, batches: Iterator[pa.RecordBatch], schema: pa.Schema, keep_alive: float, delay: Callable[[], float]
    ) -> None:
        self._batches = batches
        self._empty = pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)
        self._keep_alive = keep_alive
        self._delay = delay
        self._ready: queue.Queue[pa.RecordBatch | BaseException | None] = queue.Queue(maxsize=2)
        self._left = threading.Event()
        self._stopped = False

    def stop(self) -> None:
        """End the query and the client's stream immediately."""
        self._stopped = True
        self._left.set()
        # If the queue is full, the client notices the end when it takes the next batch.
        with contextlib.suppress(queue.Full):
            self._ready.put_nowait(None)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        threading.Thread(target=self._produce, name="sandbox-query", daemon=True).start()
        try:
            while True:
                try:
                    item = self._ready.get(timeout=self._keep_alive)
                except queue.Empty:
                    item = self._empty
                if self._stopped:
                    raise Stopped
                if item is None:
                    return
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            # Also if the client has disconnected and the generator is closed.
            self._left.set()

    def _produce(self) -> None:
        try:
            for batch in self._batches:
                self._left.wait(self._delay())
                if not self._put(batch):
                    return
            self._put(None)
        except BaseException as problem:
            self._put(problem)

    def _put(self, item: pa.RecordBatch | BaseException | None) -> bool:
        """Wait for room, unless the client has disconnected."""
        while not self._left.is_set():
            try:
                self._ready.put(item, timeout=0.5)
                return True
            except queue.Full:
                continue
        return False

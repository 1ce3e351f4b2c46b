"""Slots of Dagster's pools that are claimed while a step runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg

from influx_lake.orchestration.partition_events import step_of

_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of Dagster.

    Attributes:
        limit: The number of slots, unless the instance has a limit for the pool; None for the default in dagster.yaml.
    """

    name: str
    limit: int | None


@contextmanager
def slot(log: dg.DagsterLogManager, pool: Pool) -> Iterator[None]:
    """A context that holds a slot of a pool; waits until one is free.

    A step can have one pool of Dagster's own, which is that of the measurement's own source. Slots of the table's pool
    and of other sources' pools are therefore claimed here, in the same storage. Dagster frees the slots of runs that
    died.

    Args:
        log: The run's log.
        pool: The pool.
    """
    step = step_of()
    instance, run_id = step.instance, step.run.run_id
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits or not _is_limited(instance, pool):
        yield
        return
    place, is_logged = f"{step.op_execution_context.op_handle}.{pool.name}", False
    try:
        while not storage.claim_concurrency_slot(pool.name, run_id, place).is_claimed:
            if not is_logged:
                log.info(f"waits for a slot of the pool {pool.name}: its limit is reached")
            is_logged = True
            time.sleep(_PAUSE_SECONDS)
        yield
    finally:
        storage.free_concurrency_slot_for_step(run_id, place)


def is_held_by_steps(instance: dg.DagsterInstance) -> bool:
    """Whether steps claim slots of their pools; else Dagster's queue counts runs, and claims none."""
    granularity = instance.event_log_storage.get_pool_config().pool_granularity
    return granularity is None or granularity.value != "run"


def _is_limited(instance: dg.DagsterInstance, pool: Pool) -> bool:
    """Whether the pool has a limit; sets the limit of a pool that the instance does not know."""
    storage = instance.event_log_storage
    if any(known.name == pool.name for known in storage.get_pool_limits()):
        return True
    if pool.limit is not None:
        storage.set_concurrency_slots(pool.name, pool.limit)
    elif instance.global_op_concurrency_default_limit is not None:
        storage.initialize_concurrency_limit_to_default(pool.name)
    else:
        return False
    return True

"""Ray Data spreads the parts over the cores of this machine, or of a cluster."""

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, DataContext

from bulk.plan import Part
from bulk.work import Analyst
from emotion.contract import Detail

PLAN = pa.schema([("name", pa.string()), ("photos", pa.list_(pa.string())), ("again", pa.bool_())])

OBJECT_STORE = 256 * 2**20
"""Bytes of Ray's shared memory on one machine: only the plan is in it, and what does not fit goes to disk."""

MOST_WORKERS = 10_000
"""Cores that a growing cluster may bring."""


def connect(address: str | None) -> int:
    """Joins the cluster at `address`, or starts Ray on this machine alone; returns how many cores there are now."""
    if ray.is_initialized():
        return _cores()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # an archive's owner has not agreed to it
    options: dict[str, Any] = (
        {"address": address} if address else {"include_dashboard": False, "object_store_memory": OBJECT_STORE}
    )
    ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    return _cores()


def _cores() -> int:
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return int(resources.get("CPU", 1))


def analyse(
    parts: Iterable[Part], results: str, detail: Detail, models: str | None, cores: int
) -> Iterator[dict[str, Any]]:
    """Counts (`photos`, `faces`, `seconds`) of each part, as soon as its file is in place.

    A part whose worker or node is lost is given to another one, as often as need be.
    """
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    tables = [pa.Table.from_pylist([asdict(part)], PLAN) for part in parts]
    if not tables:
        return
    workers = min(cores, len(tables))
    done = ray.data.from_arrow(tables).map_batches(
        Analyst,
        fn_constructor_args=(results, detail, models),
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=1,
        # Two parts in hand: one in work, one that need not be waited for; more would leave other workers without any.
        compute=ActorPoolStrategy(min_size=workers, max_size=MOST_WORKERS, max_tasks_in_flight_per_actor=2),
    )
    for batch in done.iter_batches(batch_size=None, batch_format="pyarrow"):
        table: Any = batch  # typed as any of the formats
        yield from table.to_pylist()

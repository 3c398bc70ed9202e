"""Ray Data spreads the parts over the cores of this machine, or of a cluster."""

import logging
import os
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, DataContext, Datasource, ReadTask
from ray.data.block import BlockMetadata

from bulk.plan import Plan
from bulk.work import Analyst
from emotion.contract import Detail

PLAN = pa.schema([("name", pa.string()), ("photos", pa.list_(pa.string())), ("again", pa.bool_())])

OBJECT_STORE = 256 * 2**20
"""Bytes of Ray's shared memory on one machine: only the plan is in it, and what does not fit goes to disk."""

QUIET = {
    "RAY_enable_metrics_collection": "0",
    "RAY_task_events_report_interval_ms": "0",
    "RAY_prestart_worker_first_driver": "0",
    "MALLOC_ARENA_MAX": "2",
}
"""Settings of Ray's processes on one machine: metrics and task events are for a dashboard that is not there and slow
the work; processes that start before any is needed take memory while the work begins, and so does a heap a thread."""

MOST_WORKERS = 10_000
"""Cores that a growing cluster may bring."""


def connect(address: str | None) -> int:
    """Joins the cluster at `address`, or starts Ray on this machine alone; returns how many cores there are now.

    A cluster whose head does no work may have none yet, which counts as one.
    """
    if ray.is_initialized():
        return _cores()
    if not address:
        os.environ.update(QUIET | os.environ)
    # "local" and not nothing: that would join a cluster that happens to run here.
    options: dict[str, Any] = (
        {"address": address}
        if address
        else {"address": "local", "include_dashboard": False, "object_store_memory": OBJECT_STORE}
    )
    ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    return _cores()


def _cores() -> int:
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return max(1, int(resources.get("CPU", 1)))


class Parts(Datasource):
    """The parts of a plan, as one task that lists the source while the first of them are in work already."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._plan = plan

    def estimate_inmemory_data_size(self) -> int | None:
        """Nobody knows before the source is listed."""
        return None

    def get_read_tasks(self, *_: Any, **__: Any) -> list[ReadTask]:
        """One, since a source is listed in one go."""
        plan = self._plan
        unknown = BlockMetadata(num_rows=None, size_bytes=None, exec_stats=None, input_files=None)
        return [ReadTask(lambda: (pa.Table.from_pylist([asdict(part)], PLAN) for part in plan.parts()), unknown)]


def analyse(plan: Plan, detail: Detail, models: str | None, cores: int, growing: bool) -> Iterator[dict[str, Any]]:
    """Counts (`photos`, `faces`, `seconds`) of each part, as soon as its file is in place.

    A part whose worker or node is lost is given to another one, as often as need be. `growing`: the cluster may get
    more than these `cores`.
    """
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.memory_usage_poll_interval_s = None  # what it would say is asked by nobody
    context.target_max_block_size = 1  # a block a part, handed on as soon as it is known
    done = ray.data.read_datasource(
        Parts(plan),
        override_num_blocks=1,
        num_cpus=0,  # every core is a worker's
        label_selector={"ray.io/node-id": ray.get_runtime_context().get_node_id()},  # where this command runs itself
    ).map_batches(
        Analyst,
        fn_constructor_args=(plan.results, detail, models),
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=1,
        # Two parts in hand: one in work, one to begin when that one is only to be written; more would leave other
        # workers without any.
        compute=ActorPoolStrategy(
            min_size=cores,
            max_size=MOST_WORKERS if growing else cores,
            max_tasks_in_flight_per_actor=2,
            max_concurrent_calls_per_actor=2,
            enable_true_multi_threading=True,
        ),
    )
    for batch in done.iter_batches(batch_size=None, batch_format="pyarrow"):
        table: Any = batch  # typed as any of the formats
        yield from table.to_pylist()

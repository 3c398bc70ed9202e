"""Work on a bounded number of things at once."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def bounded_map(function: Callable[[Item], Result], items: Iterable[Item], bound: int) -> Iterator[tuple[Item, Result]]:
    """Each item with its `function(item)`, in the order of completion; at most `bound` are under way.

    Items are taken from the iterable only when there is room for them. The first exception of `function` is raised
    here, once all that was under way has ended; results not yet yielded are lost.
    """
    queue = iter(items)
    running: dict[Future[Result], Item] = {}
    with ThreadPoolExecutor(bound) as pool:
        while True:
            running |= {pool.submit(function, item): item for item in islice(queue, bound - len(running))}
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()

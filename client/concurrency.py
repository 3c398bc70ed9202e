"""Work on a bounded number of things at once."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def bounded_map(
    function: Callable[[Item], Result], items: Iterable[Item], bound: int
) -> Generator[tuple[Item, Result]]:
    """Each item with its `function(item)`, in the order of completion; at most `bound` are under way.

    Items are taken from the iterable only when there is room for them. After the first exception of `function` no
    further item is begun; it is raised here, once all that was under way has ended and its results are yielded. Closing
    the generator waits for what is under way.
    """
    queue = iter(items)
    running: dict[Future[Result], Item] = {}
    failure: BaseException | None = None
    with ThreadPoolExecutor(bound) as pool:
        while True:
            if failure is None:
                running |= {pool.submit(function, item): item for item in islice(queue, bound - len(running))}
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                item = running.pop(future)
                if (error := future.exception()) is None:
                    yield item, future.result()
                else:
                    failure = failure or error
    if failure is not None:
        raise failure


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], bound: int) -> Iterator[tuple[Item, Result]]:
    """Each item with its `function(item)`, in the items' order; at most `bound` are under way or wait for one before.

    An exception, of `function` or of the iterable, is raised in its place in that order.
    """
    queue = iter(items)
    failure: Exception | None = None
    running: deque[tuple[Item, Future[Result]]] = deque()
    with ThreadPoolExecutor(bound) as pool:
        while True:
            try:
                running.extend((item, pool.submit(function, item)) for item in islice(queue, bound - len(running)))
            except Exception as error:
                failure, queue = error, iter(())
            if not running:
                break
            item, future = running.popleft()
            yield item, future.result()
    if failure is not None:
        raise failure

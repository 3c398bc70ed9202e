"""A bound on the memory that a piece of work may take, where the kernel can set one."""

import contextlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

_STATM = Path("/proc/self/statm")
_DATA = 5
"""Which of its numbers counts the pages of data and stack: proc(5)."""


@contextlib.contextmanager
def at_most(rise: int) -> Iterator[None]:
    """Inside, this process's memory grows by at most `rise` bytes: what asks for more is told that there is none.

    The bound is the whole process's, so there is none where other threads of Python work, which it would hit as well;
    nor outside Linux. Daemon threads, such as the exporter of traces, may lose what they are at.
    """
    others = [each for each in threading.enumerate() if each is not threading.current_thread() and not each.daemon]
    if sys.platform != "linux" or others:
        yield
        return
    import resource  # noqa: PLC0415, Unix only

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    held = int(_STATM.read_text(encoding="ascii").split()[_DATA]) * resource.getpagesize()
    bounds = [held + rise, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_DATA, (min(bounds), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))

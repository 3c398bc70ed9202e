"""What the page's server frees, the system has again."""

import subprocess
import sys

import pytest

HOLES = """
import psutil
from client import memory
memory.return_at_once()
before = psutil.Process().memory_full_info().uss
bytearray(30_000_000)  # by itself glibc now keeps blocks of up to this size for itself
pairs = [(bytearray(b"x" * 4_000_000), bytearray(b"y" * 50_000)) for _ in range(60)]
lasting = [small for _, small in pairs]
del pairs
print(psutil.Process().memory_full_info().uss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's own")
def test_freed_photos_leave_no_gaps() -> None:
    run = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 4_000_000


def test_what_pages_load_is_no_garbage_to_search() -> None:
    """Streamlit searches for garbage between what a page drew and what the browser gets of it."""
    program = "import gc, sys, client.served; print(gc.get_freeze_count(), 'altair' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    count, charts = run.stdout.split()
    assert int(count) > 50_000 and charts == "True"

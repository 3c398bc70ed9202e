"""What decoding may take of memory is bounded, whatever the file's header says or leaves out."""

import subprocess
import sys
from pathlib import Path

import pytest

from emotion.image import MAX_MEMORY
from tests.conftest import ROOT
from tests.webp_tables import webp_of_many_tables

MEGABYTE = 10**6

DECODE = """
import resource, sys
from pathlib import Path
from emotion.errors import InvalidImage
from emotion.image import decode
data = Path(sys.argv[1]).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decode(data)
    print("decoded")
except InvalidImage:
    print("refused")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def run(code: str, *arguments: str) -> list[str]:
    """What Python printed in a process of its own: one thread, and a peak of memory that nothing else has raised."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True).stdout.split()


def test_a_webp_of_many_huffman_tables_is_refused_before_they_are_there(tmp_path: Path) -> None:
    file = tmp_path / "tables.webp"
    file.write_bytes(webp_of_many_tables())
    outcome, taken = run(DECODE, str(file))
    assert outcome == "refused"
    assert int(taken) < MAX_MEMORY


@pytest.mark.parametrize(("megabytes", "outcome"), [(50, "done"), (200, "MemoryError")])
def test_more_than_the_bound_is_not_there(megabytes: int, outcome: str) -> None:
    code = f"""
import resource
import numpy as np
from emotion import memory
before = resource.getrlimit(resource.RLIMIT_DATA)
try:
    with memory.at_most({100 * MEGABYTE}):
        np.ones({megabytes * MEGABYTE}, np.uint8)
    print("done")
except MemoryError as error:
    print("MemoryError")
assert resource.getrlimit(resource.RLIMIT_DATA) == before
"""
    assert run(code) == [outcome]


@pytest.mark.parametrize(("daemon", "bounded"), [(False, "False"), (True, "True")])
def test_other_threads_are_not_bounded_unless_they_are_daemons(daemon: bool, bounded: str) -> None:
    """A worker that exports traces has a daemon. In a process of its own: another test's threads may still be here."""
    code = f"""
import resource, threading
from emotion import memory
before = resource.getrlimit(resource.RLIMIT_DATA)
waiting = threading.Event()
threading.Thread(target=waiting.wait, daemon={daemon}).start()
with memory.at_most({100 * MEGABYTE}):
    print(resource.getrlimit(resource.RLIMIT_DATA) != before)
waiting.set()
"""
    assert run(code) == [bounded]

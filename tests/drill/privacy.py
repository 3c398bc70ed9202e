"""Marked photos in every way in which one can be sent: nothing of them is found anywhere, and no file is written.

Every file that a process of the service opens to write is seen by `strace` (Debian's package), whatever becomes of it.
"""

import contextlib
import itertools
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import requests

from tests.drill.rows import Row
from tests.integration.commands import running
from tests.integration.conftest import free_addresses
from tests.integration.test_privacy import MARK, WAYS, contents, disguises, marked, scraped

WRITING = re.compile(r'"([^"]*)", [^)]*(?:O_WRONLY|O_RDWR|O_CREAT)')
NO_FILES = ("/dev/null", "/dev/tty", "/proc/")


def privacy(folder: Path, photos: int) -> Iterator[Row]:
    addresses = free_addresses()
    with running(folder, addresses) as service:
        # The first photo of each way may still load what is loaded once.
        for way in WAYS.values():
            send(addresses.url, way)
        document = f"{addresses.url}/openapi.json"  # a file that the door reads
        with written_files(service.process.pid, folder / "strace", document, "openapi.json") as written:
            answers = [send(addresses.url, way) for way in itertools.islice(itertools.cycle(WAYS.values()), photos)]
        time.sleep(2)  # metrics follow a moment later
        places = {
            **{f"answer {number}": answer for number, answer in enumerate(answers)},
            "the log": service.log.read_bytes(),
            "TorchServe's metrics": scraped(addresses.metrics),
            "the door's metrics": scraped(addresses.door_metrics),
            **{str(each): contents(each) for each in (folder / "tmp").rglob("*")},
        }
    marks = (*disguises(MARK.encode()), marked()[:64])
    found = [place for place, content in places.items() if any(mark in content for mark in marks)]
    said = f"{len(found)} places hold a mark; {len(written)} files opened to write {' '.join(sorted(written)[:3])}"
    yield Row(f"marked photos, in {len(WAYS)} ways", photos, len(found), said, not found and not written)


def send(url: str, way: tuple[str, dict[str, str], bytes]) -> bytes:
    path, headers, body = way
    response = requests.post(f"{url}{path}", data=body, headers=headers, timeout=60)
    return response.content + str(response.headers).encode()


@contextlib.contextmanager
def written_files(pid: int, log: Path, url: str, read: str) -> Iterator[set[str]]:
    """The files that this process and its children open to write meanwhile; known after leaving.

    `read`: in the name of a file that they read when `url` is asked for, by which it is known that `strace` sees them.
    """
    strace = shutil.which("strace")
    if strace is None:
        raise SystemExit("error: no strace here: apt-get install strace")
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    attached = itertools.chain.from_iterable(("-p", str(each.pid)) for each in family)
    calls = "trace=open,openat,openat2,creat,memfd_create,rename,renameat,renameat2"
    command = [strace, "-f", "-q", "-o", str(log), "-e", calls, *attached]
    written: set[str] = set()
    with subprocess.Popen(command) as process:
        try:
            deadline = time.monotonic() + 60
            while read not in _text(log):  # it takes its time to attach to all of them, and only then writes anything
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("error: strace sees nothing, not even a file that was read; may it attach here?")
                requests.get(url, timeout=60)
                time.sleep(0.2)
            yield written
            if process.poll() is not None:
                raise SystemExit("error: strace ended before the photos did")
        finally:  # or leaving would wait for ever
            process.send_signal(signal.SIGINT)
    written |= {path for path in WRITING.findall(_text(log)) if not path.startswith(NO_FILES)}


def _text(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""

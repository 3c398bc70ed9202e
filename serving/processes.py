"""Child processes that never outlive their parent's work."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

GRACE = 10.0
"""Seconds that a process usually gets to stop by itself."""


class Stopped(Exception):
    """One of `STOP_SIGNALS` came in."""


@contextlib.contextmanager
def running(  # noqa: PLR0913, a process has that many properties
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    *,
    grace: float = GRACE,
    descriptors: Sequence[int] = (),
    standard_input: bytes | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` in a process group of its own, and stop the whole group on leaving, whatever happened.

    `folder`: where it runs, by default where this process runs. `descriptors`: open files of ours that it gets,
    under the same numbers. `standard_input`: what it reads there, no more than a pipe holds (64 KiB); by default what
    this process would read. It has a group of its own because Ctrl-C in a terminal reaches every process of the
    foreground group at once, and Java, its workers and Streamlit would each stop in their own way and order.
    """
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=folder,
        stdin=None if standard_input is None else subprocess.PIPE,
        start_new_session=True,
        pass_fds=descriptors,
        preexec_fn=_die_with_parent,  # noqa: PLW1509, no thread runs when this is called
    )
    try:
        if process.stdin:
            with process.stdin as pipe, contextlib.suppress(BrokenPipeError):
                pipe.write(standard_input or b"")
        yield process
    finally:
        stop(process, grace)


def _die_with_parent() -> None:
    """Have the kernel send SIGTERM if our parent is killed outright and cannot clean up; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def ask_to_stop(process: subprocess.Popen[bytes], grace: float) -> None:
    """Ask the process to stop, if it has not, and wait for that, `grace` seconds at most."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)


def stop(process: subprocess.Popen[bytes], grace: float = GRACE) -> None:
    """Ask the process to stop, wait `grace` seconds, then kill whatever is left of its group."""
    ask_to_stop(process, grace)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Turn the first stop signal into `Stopped`; later ones are ignored, so that cleaning up is not interrupted."""

    def on_signal(number: int, _: object) -> None:
        for each in STOP_SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        print(f"\nstopping ({signal.Signals(number).name})", file=sys.stderr, flush=True)
        raise Stopped

    for each in STOP_SIGNALS:
        signal.signal(each, on_signal)
    with contextlib.suppress(Stopped):
        yield

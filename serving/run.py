"""Run the whole service in the foreground: TorchServe, then the Streamlit client. `python -m serving.run`"""

import argparse
import os
import subprocess
import sys
import time
import urllib.request

from serving.processes import running, stopping_on_signals
from serving.server import (
    ROOT,
    Addresses,
    ServerFailed,
    add_port_arguments,
    check_port,
    torchserve,
    wait_until_ready,
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Run TorchServe and the page in the foreground.")
    add_port_arguments(parser)
    parser.add_argument("--page-port", type=int, default=8501)
    arguments = vars(parser.parse_args())
    page_port = arguments.pop("page_port")
    addresses = Addresses(**arguments)
    try:
        check_port("page", page_port)
        with stopping_on_signals(), torchserve(addresses) as server:
            print("starting TorchServe …", flush=True)
            wait_until_ready(server, addresses)
            with running(_page_command(page_port), _page_environment(addresses)) as page:
                _wait_for_page(page, page_port)
                print(f"ready: the page is at http://127.0.0.1:{page_port}, the service at {addresses.predictions}")
                print("Ctrl-C stops both", flush=True)
                _wait_for_either(server, page)
    except ServerFailed as error:
        sys.exit(f"error: {error}")


def _page_command(port: int) -> list[str]:
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "client" / "app.py")]
    return [
        *command,
        "--server.address",
        "127.0.0.1",
        "--server.port",
        str(port),
        "--server.headless",
        "true",
    ]


def _page_environment(addresses: Addresses) -> dict[str, str]:
    return os.environ | {"EMOTION_SERVER": f"http://127.0.0.1:{addresses.inference}"}


def _wait_for_page(page: subprocess.Popen[bytes], port: int, timeout: float = 60.0) -> None:
    deadline = time.monotonic() + timeout
    while page.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise ServerFailed(f"the page did not come up on port {port} within {timeout:.0f} s; see its log above")


def _wait_for_either(*processes: subprocess.Popen[bytes]) -> None:
    while all(process.poll() is None for process in processes):
        time.sleep(0.5)
    raise ServerFailed("a part of the service ended by itself; see its log above")


if __name__ == "__main__":
    main()

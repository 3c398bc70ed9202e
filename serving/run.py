"""Run the whole service in the foreground: TorchServe, then the Streamlit client. `python -m serving.run`"""

import argparse
import subprocess
import sys
import time

from serving.page import page
from serving.processes import stopping_on_signals
from serving.server import Addresses, ServerFailed, add_port_arguments, check_port, torchserve, wait_until_ready


def main() -> None:
    parser = argparse.ArgumentParser(description="Run TorchServe and the page in the foreground.")
    add_port_arguments(parser)
    parser.add_argument("--page-port", type=int, default=8501)
    arguments = vars(parser.parse_args())
    page_port = arguments.pop("page_port")
    addresses = Addresses(**arguments)
    try:
        check_port("page", page_port)  # now, and not after the server came up
        with stopping_on_signals(), torchserve(addresses) as server:
            print("starting TorchServe …", flush=True)
            wait_until_ready(server, addresses)
            with page(page_port, addresses) as page_process:
                print(f"ready: the page is at http://127.0.0.1:{page_port}, the service at {addresses.predictions}")
                print("Ctrl-C stops both", flush=True)
                _wait_for_either(server, page_process)
    except ServerFailed as error:
        sys.exit(f"error: {error}")


def _wait_for_either(*processes: subprocess.Popen[bytes]) -> None:
    while all(process.poll() is None for process in processes):
        time.sleep(0.5)
    raise ServerFailed("a part of the service ended by itself; see its log above")


if __name__ == "__main__":
    main()

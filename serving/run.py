"""Run everything in the foreground: the service, then the Streamlit page. `python -m serving.run`"""

import argparse
import subprocess
import sys
import time

from serving.addresses import LOOPBACK, Addresses, ServerFailed, check_port
from serving.page import page
from serving.processes import stopping_on_signals
from serving.server import Service, add_port_arguments, serving


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the service and the page in the foreground.")
    add_port_arguments(parser)
    parser.add_argument("--page-port", type=int, default=8501, help="the page (default: %(default)s)")
    arguments = vars(parser.parse_args())
    page_port = arguments.pop("page_port")
    addresses = Addresses(**arguments)
    try:
        check_port("page", page_port)  # now, and not after the server came up
        with stopping_on_signals(), serving(addresses) as service:
            print("starting TorchServe …", flush=True)
            service.wait_until_ready()
            with page(page_port, addresses) as page_process:
                print(f"ready: the page is at http://{LOOPBACK}:{page_port}, the service at {addresses.predictions}")
                print("Ctrl-C stops both", flush=True)
                _stay(service, page_process)
    except ServerFailed as error:
        sys.exit(f"error: {error}")


def _stay(service: Service, page_process: subprocess.Popen[bytes]) -> None:
    while page_process.poll() is None:
        service.check()
        time.sleep(0.2)
    raise ServerFailed(f"the page ended with status {page_process.returncode} by itself; see its log above")


if __name__ == "__main__":
    main()

"""A pod's processes as Kubernetes would treat them: what can be reached, and a stop that loses nothing."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psutil
import requests

from client.api import Answer, EmotionClient, ServiceError
from serving.server import torchserve, wait_until_ready
from tests.conftest import photo_bytes
from tests.integration.conftest import free_addresses
from tests.integration.watching import ROOT, eventually, is_loopback, own_address, sidecar, status

IN_FLIGHT = 200


def test_only_inference_and_metrics_leave_loopback() -> None:
    """Every listening socket of TorchServe and all its children, as it runs in a container."""
    addresses = free_addresses()
    with torchserve(addresses, host="0.0.0.0") as server:  # noqa: S104, as in a container
        wait_until_ready(server, addresses)
        java = psutil.Process(server.pid)
        listening = {
            (socket.laddr.ip, socket.laddr.port)
            for process in [java, *java.children(recursive=True)]
            for socket in process.net_connections("inet")
            if socket.status == psutil.CONN_LISTEN
        }
        outside = {port for ip, port in listening if not is_loopback(ip)}
        assert outside == {addresses.inference, addresses.metrics}
        assert addresses.management in {port for _, port in listening}

        own = own_address()
        assert status(f"http://{own}:{addresses.inference}/ping") == 200
        assert status(f"http://{own}:{addresses.metrics}/metrics") == 200
        assert status(f"http://{own}:{addresses.management}/models") == 0
        assert status(f"http://127.0.0.1:{addresses.management}/models") == 200

        with sidecar(addresses) as url:
            port = url.rsplit(":", 1)[1]
            assert status(f"http://{own}:{port}/ready") == 200
            assert requests.post(f"http://{own}:{port}/drain", timeout=5).status_code == 403
            for path in ("/models", "/models/emotion", "/ping", "/"):
                assert status(f"http://{own}:{port}{path}") == 404, "the sidecar passes nothing on"
        logs = status(f"http://{own}:{addresses.inference}/models")
        assert logs in {404, 405}, "management's calls are not on the inference address"


def test_a_stop_loses_no_request() -> None:
    """Two hundred photos in flight when the pod is told to go: preStop drains, then SIGTERM; each gets its answer.

    The queue holds fifty, so most are told to come again (503) and do, as the client does everywhere; what may not
    happen is a connection that breaks, or a photo without an answer.
    """
    addresses = free_addresses()
    photo = photo_bytes("smiling")
    broken: Counter[str] = Counter()
    sent = threading.Barrier(IN_FLIGHT + 1)

    def ask(_: int) -> bool:
        client = EmotionClient(f"http://127.0.0.1:{addresses.inference}", timeout=60, retries=0)
        sent.wait(timeout=60)
        while True:
            try:
                answer = client.analyse(photo)
            except ServiceError as error:
                if type(error).__name__ != "ServerBusy":
                    broken[f"{type(error).__name__}: {error}"] += 1
                    return False
                time.sleep(0.2)
            else:
                return isinstance(answer, Answer) and len(answer.analysis.faces) == 1

    with torchserve(addresses) as server, sidecar(addresses, propagation="3", quiet="3") as url:
        wait_until_ready(server, addresses)
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            answers = pool.map(ask, range(IN_FLIGHT))
            sent.wait(timeout=60)
            # The server's preStop, and then what the kubelet does.
            environment = os.environ | {"SIDECAR_PORT": url.rsplit(":", 1)[1]}
            drain = subprocess.Popen([sys.executable, "-m", "sidecar.drain"], cwd=ROOT, env=environment)
            eventually(lambda: status(f"{url}/ready") == 503, 10, every=0.05)
            assert drain.wait(timeout=60) == 0
            server.send_signal(signal.SIGTERM)
            assert list(answers) == [True] * IN_FLIGHT, broken
        assert not broken
        server.wait(timeout=20)
    assert status(f"http://127.0.0.1:{addresses.inference}/ping") == 0

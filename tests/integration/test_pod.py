"""A pod's processes as Kubernetes would treat them: what can be reached from outside, and what cannot."""

import socket

import psutil
import pytest

from serving.server import serving
from tests.integration.conftest import free_addresses
from tests.integration.watching import is_loopback, own_address, sidecar, status


def test_only_the_door_and_metrics_leave_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every listening socket of all processes, as they run in a container."""
    monkeypatch.setenv("EMOTION_OPEN", "yes")
    addresses = free_addresses()
    with serving(addresses, host="0.0.0.0") as service:  # noqa: S104, as in a container
        service.wait_until_ready()
        java, caddy = psutil.Process(service.torchserve.pid), psutil.Process(service.door.pid)
        listening = {
            (each.laddr.ip, each.laddr.port)
            for process in [caddy, java, *java.children(recursive=True)]
            for each in process.net_connections("inet")
            if each.status == psutil.CONN_LISTEN
        }
        outside = {port for ip, port in listening if not is_loopback(ip)}
        assert outside == {addresses.door, addresses.metrics, addresses.door_metrics}
        assert {addresses.management, addresses.inference} <= {port for _, port in listening}

        if socket.has_dualstack_ipv6():
            assert status(f"http://[::1]:{addresses.door}/ping") == 200, "a cluster may have only IPv6"
            for port in (addresses.metrics, addresses.door_metrics):
                assert status(f"http://[::1]:{port}/metrics") == 200
        own = own_address()
        assert status(f"http://{own}:{addresses.door}/ping") == 200
        assert status(f"http://{own}:{addresses.metrics}/metrics") == 200
        assert status(f"http://{own}:{addresses.door_metrics}/metrics") == 200
        for port, path in ((addresses.management, "models"), (addresses.inference, "ping")):
            assert status(f"http://{own}:{port}/{path}") == 0
            assert status(f"http://127.0.0.1:{port}/{path}") == 200
        assert status(f"http://{own}:{addresses.door}/models") == 404

        with sidecar(addresses) as url:
            port = int(url.rsplit(":", 1)[1])
            assert status(f"http://{own}:{port}/ready") == 200
            for path in ("/models", "/models/emotion", "/ping", "/", "/drain"):
                assert status(f"http://{own}:{port}{path}") == 404, "the sidecar passes nothing on"

"""Where the parts of the service listen."""

import socket
from dataclasses import dataclass

LOOPBACK = "127.0.0.1"


PORTS = {
    "door": "where the service answers",
    "management": "TorchServe's management, for this machine alone",
    "metrics": "TorchServe's numbers, for Prometheus",
    "door_metrics": "the front door's numbers, for Prometheus",
    "inference": "TorchServe behind the front door, for this machine alone",
}
"""What listens on each port of `Addresses`."""


@dataclass(frozen=True)
class Addresses:
    """Ports: the door's for everybody, two for Prometheus, and two that never leave loopback."""

    door: int = 8080
    management: int = 8081
    metrics: int = 8082
    door_metrics: int = 8084
    inference: int = 8085

    @property
    def url(self) -> str:
        """Of the service, as this machine reaches it."""
        return f"http://{LOOPBACK}:{self.door}"

    @property
    def predictions(self) -> str:
        """URL to POST photos to."""
        return f"{self.url}/predictions/emotion"


class ServerFailed(RuntimeError):
    """A part of the service ended or did not become ready in time."""


def check_port(name: str, port: int) -> None:
    """Raise `ServerFailed` if `port` is taken; otherwise whoever listens there would answer in our place."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            option = name.replace("_", "-")
            raise ServerFailed(f"port {port} is taken; stop what listens there, or pass --{option}-port") from error

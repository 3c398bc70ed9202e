"""Real callers behind a load balancer, by a real nginx with the settings of k8s/components/ingress.

F5's controller writes its nginx.conf from them; `configuration` stands in for its template. Only the rate is another
one: so slow that it does not matter how fast this machine is.
"""

import contextlib
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import tool
from tests.integration.conftest import free_ports
from tests.integration.watching import eventually
from tests.k8s.manifests import K8S, Manifest, find, overlay
from tests.unit.local_service import Service

HELM = K8S / "components" / "ingress" / "helm"
ALICE, BOB = "203.0.113.7", "203.0.113.8"
FLAGS = {"True": "on", "False": "off"}


def entries(*files: str) -> dict[str, str]:
    """The controller's ConfigMap, from Helm's values, for load balancers that are on this machine."""
    merged: dict[str, str] = {}
    for name in files:
        values = yaml.safe_load((HELM / name).read_text(encoding="utf-8"))["controller"]
        merged |= values["config"]["entries"]
    return merged | ({"set-real-ip-from": "127.0.0.1"} if "set-real-ip-from" in merged else {})


def configuration(settings: dict[str, str], ingress: Manifest, port: int, backend: int, folder: Path) -> str:
    annotations = {name.removeprefix("nginx.org/"): value for name, value in ingress["metadata"]["annotations"].items()}
    real_ip = [
        f"{name.replace('-', '_')} {FLAGS.get(settings[name], settings[name])};"
        for name in ("real-ip-header", "set-real-ip-from", "real-ip-recursive")
        if name in settings
    ]
    listens = f"listen 127.0.0.1:{port}{' proxy_protocol' if settings.get('proxy-protocol') == 'True' else ''};"
    return f"""
        daemon off; pid {folder}/pid; error_log stderr warn; worker_processes 1;
        events {{}}
        http {{
          access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
          fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
          {settings["http-snippets"]}
          limit_req_zone {annotations["limit-req-key"]} zone=callers:10m rate=1r/m;
          server {{
            {listens}
            {" ".join(real_ip)}
            location / {{
              {settings["location-snippets"]}
              proxy_set_header X-Real-IP $remote_addr;
              limit_req zone=callers burst={annotations["limit-req-burst"]} nodelay;
              limit_req_status {annotations["limit-req-reject-code"]};
              proxy_pass http://127.0.0.1:{backend};
            }}
          }}
        }}
    """


@contextlib.contextmanager
def edge(folder: Path, service: Service, *files: str) -> Iterator[int]:
    """The port of an edge with these files of values."""
    binary = tool("nginx", "nginx-light")
    (port,) = free_ports(1)
    ingress = find(overlay("prod"), "Ingress")
    text = configuration(entries("values.yaml", *files), ingress, port, service.server_port, folder)
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    with subprocess.Popen([binary, "-p", folder, "-c", folder / "nginx.conf"]) as process:
        try:
            eventually(lambda: listens(port), 20)
            yield port
        finally:
            process.terminate()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ask(port: int, prefix: str = "", **headers: str) -> int:
    """The status of a photo, after a load balancer's `prefix`."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    request = f"{prefix}POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n{lines}\r\nx"
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request.encode())
        return int(connection.makefile("rb").readline().split()[1])


def proxied(caller: str) -> str:
    """What a load balancer that speaks the PROXY protocol says first."""
    return f"PROXY TCP4 {caller} 192.0.2.1 40000 443\r\n"


def test_callers_behind_a_load_balancer_have_limits_of_their_own(tmp_path: Path, service: Service) -> None:
    with edge(tmp_path, service, "proxy-protocol.yaml") as port:
        alice = Counter(ask(port, proxied(ALICE)) for _ in range(60))
        assert alice[429] and alice[200], alice
        assert ask(port, proxied(BOB)) == 200
        assert service.headers["X-Real-IP"] == BOB


def test_a_caller_behind_a_proxy_cannot_pass_for_another(tmp_path: Path, service: Service) -> None:
    """What she writes into X-Forwarded-For stands to the left of what two proxies add."""
    with edge(tmp_path, service, "forwarded-for.yaml") as port:
        alice = Counter(ask(port, X_Forwarded_For=f"198.51.100.{each}, {ALICE}, 127.0.0.1") for each in range(60))
        assert alice[429] and alice[200], alice
        assert ask(port, X_Forwarded_For=f"{BOB}, 127.0.0.1") == 200
        assert service.headers["X-Real-IP"] == BOB


def test_where_nothing_stands_in_front_no_header_is_believed(tmp_path: Path, service: Service) -> None:
    with edge(tmp_path, service) as port:
        ask(port, X_Forwarded_For=BOB, X_Real_IP=BOB)
        assert service.headers["X-Real-IP"] == "127.0.0.1"


@pytest.mark.parametrize(("sent", "kept"), [("abc-1.2_3", True), ("a b", False), ("x" * 65, False), (None, False)])
def test_a_request_keeps_its_id_or_gets_one(tmp_path: Path, service: Service, sent: str | None, kept: bool) -> None:
    with edge(tmp_path, service) as port:
        assert ask(port, **({"X_Request_Id": sent} if sent else {})) == 200
    given = service.headers["X-Request-Id"]
    assert given == sent if kept else len(given) == 32, given


def test_callers_keep_their_address_on_the_way_to_the_edge() -> None:
    for name in HELM.iterdir():
        policy = yaml.safe_load(name.read_text(encoding="utf-8"))["controller"].get("service", {})
        assert policy.get("externalTrafficPolicy", "Local") == "Local", name
    assert "externalTrafficPolicy: Local" in (HELM / "values.yaml").read_text(encoding="utf-8")

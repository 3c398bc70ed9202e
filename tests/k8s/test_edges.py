"""The two edges lead to the same places, with one certificate, with and without sign-in."""

from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from client.settings import from_environment
from tests.k8s.manifests import K8S, Manifest, find

HOSTS = ["api.emotion.example.com", "emotion.example.com"]
SIGN_IN = 4180


def backends(built: list[Manifest]) -> set[tuple[str, str, str]]:
    """Host, path and service of all that either kind of edge lets in."""
    found = set()
    for each in built:
        spec: dict[str, Any] = each["spec"] if each["kind"] in {"Ingress", "HTTPRoute"} else {"rules": []}
        for rule in spec["rules"]:
            if each["kind"] == "Ingress":
                found |= {
                    (rule["host"], f"{path['pathType'].removesuffix('Prefix')} {path['path']}", service["name"])
                    for path in rule["http"]["paths"]
                    for service in [path["backend"]["service"]]
                }
            else:
                found |= {
                    (host, f"{path['type'].removesuffix('PathPrefix')} {path['value']}", backend["name"])
                    for host in spec["hostnames"]
                    for match in rule.get("matches", [])
                    for path in [match["path"]]
                    for backend in rule.get("backendRefs", [])
                }
    return found


@pytest.mark.parametrize("name", ["ingress", "gateway"])
def test_an_edge_lets_in_the_page_and_of_the_service_only_photos(builds: dict[str, list[Manifest]], name: str) -> None:
    assert backends(builds[f"base+{name}"]) == {
        ("api.emotion.example.com", "Exact /predictions/emotion", "emotion-server"),
        ("emotion.example.com", " /", "emotion-client"),
    }


@pytest.mark.parametrize(("name", "hosts"), [("ingress", HOSTS[1]), ("gateway", HOSTS[1]), ("keda", "")])
def test_the_page_answers_to_the_name_that_the_edge_gives_it(
    builds: dict[str, list[Manifest]], name: str, hosts: str
) -> None:
    (container,) = find(builds[f"base+{name}"], "Deployment", "emotion-client")["spec"]["template"]["spec"][
        "containers"
    ]
    (named,) = (each["value"] for each in container["env"] if each["name"] == "EMOTION_HOSTS")
    assert named == hosts


def test_whatever_leads_to_the_page_calls_it_by_a_name_that_it_answers_to(builds: dict[str, list[Manifest]]) -> None:
    """In every combination; a page without its name would answer 403 to everybody."""
    called = set()
    for built in builds.values():
        pod = find(built, "Deployment", "emotion-client")["spec"]["template"]["spec"]
        (page,) = pod["containers"]
        names = from_environment({each["name"]: each.get("value", "") for each in page["env"]}).hosts
        hosts = {host for host, _, service in backends(built) if service == "emotion-client"}
        if hosts and "initContainers" in pod:  # where people come back to from the sign-in
            (back,) = (each for each in sign_in(built)["args"] if each.startswith("--redirect-url="))
            hosts.add(str(urlsplit(back.partition("=")[2]).hostname))
        assert hosts <= set(names)
        called |= hosts
    assert called == {HOSTS[1]}


def test_every_route_belongs_to_a_listener_of_its_host_and_nothing_is_served_in_the_clear(
    builds: dict[str, list[Manifest]],
) -> None:
    built = builds["base+gateway"]
    listeners = {each["name"]: each for each in find(built, "Gateway", "emotion")["spec"]["listeners"]}
    for route in (each for each in built if each["kind"] == "HTTPRoute"):
        (parent,) = route["spec"]["parentRefs"]
        listener = listeners[parent["sectionName"]]
        assert listener.get("hostname") in {None, *route["spec"]["hostnames"]}
        if listener["protocol"] == "HTTP":
            (rule,) = route["spec"]["rules"]
            assert [each["type"] for each in rule["filters"]] == ["RequestRedirect"] and "backendRefs" not in rule


@pytest.mark.parametrize("name", ["ingress", "gateway"])
def test_cert_manager_fills_the_secret_that_the_edge_reads(builds: dict[str, list[Manifest]], name: str) -> None:
    with_all = builds[f"base+cert-manager+{name}"]
    certificate = find(with_all, "Certificate", "emotion-tls")["spec"]
    assert sorted(certificate["dnsNames"]) == HOSTS
    secrets = set()
    for each in with_all:
        if each["kind"] == "Ingress":
            secrets |= {entry["secretName"] for entry in each["spec"]["tls"]}
        if each["kind"] == "Gateway":
            listeners = [entry for entry in each["spec"]["listeners"] if "tls" in entry]
            secrets |= {reference["name"] for entry in listeners for reference in entry["tls"]["certificateRefs"]}
    assert secrets == {certificate["secretName"]}


def sign_in(built: list[Manifest]) -> dict[str, Any]:
    pod = find(built, "Deployment", "emotion-client")["spec"]["template"]["spec"]
    (container,) = pod["initContainers"]
    assert container["restartPolicy"] == "Always", "a sidecar: there before the page, and until after it"
    return dict(container)


def test_whoever_comes_to_the_page_comes_through_the_sign_in(builds: dict[str, list[Manifest]]) -> None:
    """With either edge, and from inside the cluster too."""
    for name in ("base+ingress+network-policies+sign-in", "base+gateway+network-policies+sign-in"):
        built = builds[name]
        (port,) = find(built, "Service", "emotion-client")["spec"]["ports"]
        assert port["targetPort"] == SIGN_IN == sign_in(built)["ports"][0]["containerPort"]
        policy = find(built, "NetworkPolicy", "emotion-client")["spec"]
        let_in = {entry["port"] for rule in policy["ingress"] for entry in rule["ports"]}
        assert let_in == {SIGN_IN, 8502}, "the page itself, 8501, to nobody"
        assert {"ports": [{"port": 443, "protocol": "TCP"}]} in policy["egress"], "it asks the provider"


def test_a_cookie_signs_in_not_a_password_and_browsers_send_it_on_websockets(
    builds: dict[str, list[Manifest]],
) -> None:
    built = builds["base+ingress+sign-in"]
    annotations = find(built, "Ingress", "emotion-client")["metadata"]["annotations"]
    assert not [each for each in annotations if "basic-auth" in each], "Safari sends none on WebSockets"
    assert "nginx.org/basic-auth-secret" in find(builds["prod"], "Ingress", "emotion-client")["metadata"]["annotations"]
    arguments = sign_in(built)["args"]
    flags = dict(each.removeprefix("--").partition("=")[::2] for each in arguments)
    assert flags["upstream"] == "http://127.0.0.1:8501"
    assert flags["cookie-name"].startswith("__Host-") and flags["cookie-secure"] == flags["cookie-httponly"] == ""
    assert flags["cookie-samesite"] == "lax"
    assert flags["redirect-url"] == "https://emotion.example.com/oauth2/callback"
    assert flags["pass-user-headers"] == flags["request-logging"] == flags["auth-logging"] == "false"


def test_a_person_stays_on_the_pod_that_has_her_session(builds: dict[str, list[Manifest]]) -> None:
    """One pod for everyone was what a sign-in in a Deployment of its own would have made."""
    built = builds["base+ingress+sign-in"]
    assert find(built, "Ingress", "emotion-client")["metadata"]["annotations"]["nginx.org/lb-method"] == "ip_hash"
    assert not [each for each in built if each["kind"] == "Deployment" and "sign-in" in each["metadata"]["name"]]


def test_secrets_of_the_sign_in_are_those_that_the_readme_makes(builds: dict[str, list[Manifest]]) -> None:
    text = (K8S / "README.md").read_text(encoding="utf-8")
    wanted = [each["valueFrom"]["secretKeyRef"] for each in sign_in(builds["base+sign-in"])["env"]]
    assert {each["name"] for each in wanted} == {"emotion-sign-in"}
    assert "create secret generic emotion-sign-in" in text
    for each in wanted:
        assert f"--from-literal {each['key']}=" in text


def test_helm_is_given_the_values_that_are_here() -> None:
    text = (K8S / "README.md").read_text(encoding="utf-8")
    for path in (K8S / "components" / "ingress" / "helm").iterdir():
        assert f"k8s/components/ingress/helm/{path.name}" in text, path.name
        assert set(yaml.safe_load(path.read_text(encoding="utf-8"))) == {"controller"}

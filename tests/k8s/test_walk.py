"""The steps of k8s/README.md, on a copy of the manifests: what its commands do to files, and what is then applied."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import images.engine
from client.settings import from_environment
from images.engine import Engine
from tests.k8s.manifests import K8S, Manifest, build, find

README = (K8S / "README.md").read_text(encoding="utf-8")
DIGEST = f"sha256:{'ab' * 32}"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(K8S, tmp_path / "k8s")
    return tmp_path.resolve()


def section(title: str) -> str:
    (found,) = re.findall(rf"^#+ {re.escape(title)}$(.*?)(?=^##+ |\Z)", README, flags=re.MULTILINE | re.DOTALL)
    return str(found)


def edits(text: str) -> list[str]:
    """The commands that change files."""
    return re.findall(r"^ *(sed -i .*)$", text, flags=re.MULTILINE)


def run(copy: Path, *commands: str, **variables: str) -> None:
    for command in commands:
        subprocess.run(["bash", "-euc", command], cwd=copy, env=os.environ | variables, check=True)


def applied(copy: Path) -> list[Manifest]:
    return build(copy / "k8s" / "overlays" / "prod")


def image(built: list[Manifest], name: str) -> str:
    pod = find(built, "Deployment", name)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {each["image"] for each in pod.get("initContainers", [])} <= {container["image"]}
    return str(container["image"])


def shares(built: list[Manifest]) -> dict[str, int]:
    (rule,) = find(built, "HTTPRoute")["spec"]["rules"]
    return {each["name"]: each.get("weight", 1) for each in rule["backendRefs"]}


def test_a_canary_begins_is_promoted_and_ends(copy: Path) -> None:
    variables = {"NEW": "9.9.9", "prod": "k8s/overlays/prod/kustomization.yaml"}
    run(copy, *edits(section("Gateway API in place of the Ingress")))
    old = image(applied(copy), "emotion-server")
    choose, begin, promote, end = edits(section("Another version beside the old one"))

    run(copy, choose, begin, **variables)
    built = applied(copy)
    assert image(built, "emotion-server") == old
    assert image(built, "emotion-server-canary") == "registry.example.com/emotion-server:9.9.9"
    assert shares(built) == {"emotion-server": 95, "emotion-server-canary": 5}
    assert "those in the component's `kustomization.yaml`, 95 and 5" in README

    run(copy, promote, **variables)
    built = applied(copy)
    assert image(built, "emotion-server") == image(built, "emotion-server-canary")
    assert image(built, "emotion-client").endswith(old.partition(":")[2]), "the page is left alone"

    run(copy, end, **variables)
    built = applied(copy)
    assert list(shares(built)) == ["emotion-server"]
    assert not [each for each in built if each["metadata"].get("labels", {}).get("track")]


def test_without_a_registry_all_images_are_those_that_were_imported(copy: Path) -> None:
    """Also with another version beside the old one, whose tag is imported like the first."""
    text = section("Bare metal: kubeadm, k3s")
    imported = set(re.findall(r"docker save (.*?) \|", text)[0].split())
    variables = {"NEW": "9.9.9", "prod": "k8s/overlays/prod/kustomization.yaml"}
    run(copy, *edits(text))
    built = applied(copy)
    assert {image(built, "emotion-server"), image(built, "emotion-client")} == imported

    run(copy, *edits(section("Gateway API in place of the Ingress")))
    for track in ("canary", "shadow"):
        steps = edits(section("Another version beside the old one"))[:2]
        run(copy, *(step.replace("canary", track) for step in steps), **variables)
    built = applied(copy)
    for track in ("canary", "shadow"):
        assert image(built, f"emotion-server-{track}") == "emotion-server:9.9.9"


def test_the_shares_are_moved_where_they_are(copy: Path) -> None:
    """What `kubectl patch` is told to replace is there."""
    variables = {"NEW": "9.9.9", "prod": "k8s/overlays/prod/kustomization.yaml"}
    run(copy, *edits(section("Gateway API in place of the Ingress")))
    run(copy, *edits(section("Another version beside the old one"))[:2], **variables)
    route = find(applied(copy), "HTTPRoute")
    moved = re.findall(r'"path": "/([^"]*)", "value": (\d+)', section("Another version beside the old one"))
    assert sum(int(value) for _, value in moved) == 100
    for path, _ in moved:
        place: Any = route
        for key in path.split("/"):
            place = place[int(key) if key.isdigit() else key]
        assert isinstance(place, int)


def test_a_canary_without_a_gateway_is_refused_not_forgotten(copy: Path) -> None:
    overlay = copy / "k8s" / "overlays" / "prod" / "kustomization.yaml"
    text = overlay.read_text(encoding="utf-8").replace("components/ingress", "components/canary")
    overlay.write_text(text, encoding="utf-8")
    with pytest.raises(AssertionError, match="HTTPRoute"):
        applied(copy)


def test_a_new_model_leaves_the_page_alone(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    before = image(applied(copy), "emotion-client")
    text = section("Upgrade and rollback")
    run(copy, edits(text)[-1], NEW="9.9.9")
    assert image(applied(copy), "emotion-server").endswith(":9.9.9")
    assert image(applied(copy), "emotion-client") == before

    (options,) = re.findall(r"make image VERSION=\$NEW IMAGE_ARGS='(.*?)'", text)
    monkeypatch.setattr("images.engine.find", lambda: Engine(("echo", "build")))
    monkeypatch.setattr("sys.argv", ["engine", "--tag", "9.9.9", *options.split()])
    images.engine.main()
    built = capfd.readouterr().out
    assert "emotion-server:9.9.9" in built and "emotion-client" not in built


@pytest.mark.parametrize("part", ["server", "client"])
def test_an_image_can_be_fixed_by_its_digest(copy: Path, part: str) -> None:
    """And again at the next version: the other part's and a canary's images stay as they are."""
    (edit,) = edits(section("By digest, signed and scanned"))
    other = {"server": "client", "client": "server"}[part]
    before = image(applied(copy), f"emotion-{other}")
    for digest in (DIGEST.replace("ab", "cd"), DIGEST):
        run(copy, edit, digest=digest, part=part)
        built = applied(copy)
        assert image(built, f"emotion-{part}") == f"registry.example.com/emotion-{part}@{digest}"
        assert image(built, f"emotion-{other}") == before
    tags = re.findall(r"newTag: (.*)", (copy / "k8s/overlays/prod/kustomization.yaml").read_text(encoding="utf-8"))
    assert set(tags) == {before.rpartition(":")[2]} and len(tags) == 3


def test_what_was_fixed_by_its_digest_can_be_upgraded_and_promoted(copy: Path) -> None:
    """By a tag, as a model alone and at the end of a canary; a change that reaches nothing would say nothing."""
    variables = {"NEW": "9.9.9", "prod": "k8s/overlays/prod/kustomization.yaml"}
    (fix,) = edits(section("By digest, signed and scanned"))
    promote = edits(section("Another version beside the old one"))[2]
    for edit in (edits(section("Upgrade and rollback"))[-1], promote):
        for part in ("server", "client"):
            run(copy, fix, digest=DIGEST, part=part)
        run(copy, edit, **variables)
        built = applied(copy)
        assert image(built, "emotion-server") == "registry.example.com/emotion-server:9.9.9"
        assert image(built, "emotion-client") == f"registry.example.com/emotion-client@{DIGEST}"


def patched(copy: Path, heading: str) -> list[Manifest]:
    """What prod applies with the patches in the README's section of this heading."""
    (patches,) = re.findall(r"```yaml\n(.*?)```", section(heading), flags=re.DOTALL)
    overlay = copy / "k8s" / "overlays" / "prod" / "kustomization.yaml"
    document = yaml.safe_load(overlay.read_text(encoding="utf-8"))
    document["patches"] += yaml.safe_load(patches)["patches"]
    overlay.write_text(yaml.safe_dump(document), encoding="utf-8")
    return applied(copy)


def test_the_page_can_be_given_other_names_than_an_edges(copy: Path) -> None:
    """In an overlay, after what the edge's component wrote; and whoever calls by them is let in."""
    built = patched(copy, "An overlay of your own")
    (page,) = find(built, "Deployment", "emotion-client")["spec"]["template"]["spec"]["containers"]
    (named,) = (each["value"] for each in page["env"] if each["name"] == "EMOTION_HOSTS")
    names = from_environment({"EMOTION_HOSTS": named}).hosts
    assert len(names) == 2 and find(built, "Ingress", "emotion-client")["spec"]["rules"][0]["host"] in names
    rule = find(built, "NetworkPolicy", "emotion-client")["spec"]["ingress"][-1]
    assert [each["port"] for each in rule["ports"]] == [8501] and rule["from"]


def test_tracing_as_the_readme_says_lets_the_server_reach_its_collector(copy: Path) -> None:
    built = patched(copy, "Following one slow photo")
    (server,) = find(built, "Deployment")["spec"]["template"]["spec"]["containers"]
    told = {each["name"]: each.get("value") for each in server["env"]}
    port = int(str(told["OTEL_EXPORTER_OTLP_ENDPOINT"]).rpartition(":")[2])
    (rule,) = find(built, "NetworkPolicy")["spec"]["egress"]
    assert [each["port"] for each in rule["ports"]] == [port]
    asks = find(built, "NetworkPolicy", "emotion-dns")["spec"]["podSelector"]["matchExpressions"][0]["values"]
    assert "emotion-server" in asks
    plain = find(build(K8S / "overlays" / "prod"), "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert not [each["name"] for each in plain["env"] if each["name"].startswith("OTEL_")], "off unless it is asked for"

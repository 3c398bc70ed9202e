"""`make cluster-test` where no cluster can be had: what it says, and its steps against a kubectl that is made up."""

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import __main__ as cluster
from tests.cluster.tools import Program
from tests.conftest import ROOT
from tests.k8s.manifests import K8S, Manifest, overlay
from tests.unit.local_service import local_service

FAKE = '''#!{python}
"""Answers as kind and kubectl do of a cluster in which all is well, but for what `mood` says; writes down each call."""
import json, sys, time
from pathlib import Path
home, arguments = Path({home!r}), sys.argv[1:]
mood = (home / "mood").read_text()
calls = home / "calls"
before = calls.read_text() if calls.exists() else ""
with calls.open("a") as out:
    out.write(json.dumps([Path(sys.argv[0]).name, *arguments]) + "\\n")
line = " ".join(arguments)
if mood and mood in line:
    sys.exit("error: " + mood + " does not work today")
names = ["emotion-server-" + letter for letter in "abc"]
names = [name for name in names if '"delete", "pod", "' + name not in before]
ready = [{{"type": "Ready", "status": "True"}}]
if "deployments,statefulsets" in line:
    print("deployment.apps/emotion-server")
elif "exec" in arguments:
    lost = {{"ServerAway": 1}} if mood == "lost" else {{}}
    if arguments[-1] not in ("0", "60", "90"):
        time.sleep(30)
    print(json.dumps({{"answered": 7, "faces": 14, "errors": lost}}))
elif "hpa" in arguments and "get" in arguments:
    value = [{{"pods": {{"current": {{"averageValue": "1"}}}}}}] * (2 if mood == "blind" else 3)
    wanted = 1 if mood == "idle" else 1 + before.count("hpa") // 4
    print(json.dumps({{"spec": {{"metrics": [0, 0, 0]}}, "status": {{"currentMetrics": value, "desiredReplicas": wanted,
          "conditions": [{{"type": "ScalingActive", "status": "True"}}]}}}}))
elif "get" in arguments and "pods" in arguments:
    page = "emotion-client" in line
    items = ["emotion-client-x"] if page else names
    print(json.dumps({{"items": [{{"metadata": {{"name": name}}, "spec": {{"nodeName": "one" if page else "two"}},
          "status": {{"conditions": ready}}}} for name in items]}}))
elif "namespaces" in arguments:
    there = ["default"] + ["emotion"] * (mood == "stuck")
    print(json.dumps({{"items": [{{"metadata": {{"name": name}}}} for name in there]}}))
elif "get" in arguments:
    print(json.dumps({{"items": []}}))
'''


Calls = list[list[str]]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    return made_up(tmp_path)


def made_up(folder: Path) -> Path:
    """A folder with made-up programs; `mood` there says what is wrong, `calls` what was called."""
    for name in ("kind", "kubectl"):
        program = folder / name
        program.write_text(FAKE.format(python=sys.executable, home=str(folder)), encoding="utf-8")
        program.chmod(0o755)
    return folder


def run(programs: Path, mood: str = "") -> tuple[bool, Calls]:
    """Whether all was well, and each call."""
    (programs / "mood").write_text(mood, encoding="utf-8")
    # Short only where it is waited out. Not 60 or 90: by these the made-up kubectl knows a sender that ends by itself.
    patience = 5 if mood in ("blind", "idle") else 20
    well = cluster.run(Program((programs / "kind",)), programs / "kubectl", programs, patience, keep=False)
    calls = (programs / "calls").read_text(encoding="utf-8").splitlines()
    return well, [json.loads(call) for call in calls]


@pytest.fixture(scope="module")
def good_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Calls, Path]:
    """What was said and called where all is well, and where its settings were."""
    folder, said = made_up(tmp_path_factory.mktemp("cluster")), io.StringIO()
    with contextlib.redirect_stdout(said):
        well, calls = run(folder)
    assert well, said.getvalue()
    return said.getvalue().splitlines(), calls, folder


def test_all_steps_are_taken_in_order_and_the_cluster_goes(good_run: tuple[list[str], Calls, Path]) -> None:
    said, calls, _ = good_run
    assert [line.split("  ")[0] for line in said] == ["ok"] * 10
    order = ["create", "load", "apply", "patch", "restart", "drain", "uncordon"]
    assert [word for call in calls for word in call if word in order] == order
    assert calls[-1][:3] == ["kind", "delete", "cluster"]


@pytest.mark.parametrize(
    ("mood", "step", "why"),
    [
        ("load", "images are loaded", "load does not work today"),
        ("apply", "the overlay dev is applied", "apply does not work today"),
        ("lost", "photos are answered", "photos were lost: {'answered': 7, 'faces': 14, 'errors': {'ServerAway': 1}}"),
        ("blind", "the autoscaler sees all its metrics", "no value for some metric"),
        ("idle", "under load it adds pods", "stays at 1 under load"),
        ("drain", "an emptied node loses no photo", "drain does not work today"),
        ("stuck", "everything can be deleted", "left behind: emotion"),
    ],
)
def test_what_goes_wrong_is_named_and_the_cluster_goes_all_the_same(
    programs: Path, capsys: pytest.CaptureFixture[str], mood: str, step: str, why: str
) -> None:
    well, calls = run(programs, mood)
    (failed,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL"))
    assert not well
    assert step in failed
    assert why in failed
    assert calls[-1][:3] == ["kind", "delete", "cluster"]


def test_it_never_touches_another_cluster(good_run: tuple[list[str], Calls, Path]) -> None:
    _, calls, folder = good_run
    for name, *arguments in calls:
        assert str(folder / "kubeconfig") in arguments or arguments[:2] == ["load", "docker-image"], (name, arguments)


def test_every_name_that_it_uses_is_in_the_manifests(good_run: tuple[list[str], Calls, Path]) -> None:
    _, calls, _ = good_run
    documents = overlay("dev")
    known = {(each["kind"].lower(), each["metadata"]["name"]) for each in documents}
    pods = [each["spec"]["template"] for each in documents if "template" in each.get("spec", {})]
    short = {"hpa": "horizontalpodautoscaler"}
    seen = set()
    for _, *arguments in calls:
        for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
            kind, _, name = word.partition("/")
            if kind.split(".")[0] == "deployment" and name:
                seen.add(("deployment", name))
            if word in short and following.startswith("emotion"):
                seen.add((short[word], following))
            if word == "--selector":
                assert any(labelled(each["metadata"], following) for each in [*documents, *pods]), following
            if word == "--namespace":
                seen.add(("namespace", following))
            if word == "--container":
                assert following in {each["name"] for pod in pods for each in pod["spec"]["containers"]}
            if word == "--kustomize":
                assert Path(following) == K8S / "overlays" / "dev"
    assert seen == {
        ("deployment", "emotion-server"),
        ("horizontalpodautoscaler", "emotion-server"),
        ("namespace", "emotion"),
    }
    assert seen <= known


def labelled(metadata: Manifest, selector: str) -> bool:
    name, _, value = selector.partition("=")
    return bool(metadata.get("labels", {}).get(name) == value)


def test_whatever_the_overlay_makes_outside_its_namespace_is_looked_for_after_deletion() -> None:
    kinds = {each["kind"] for each in overlay("dev") if "namespace" not in each["metadata"]} - {"Namespace"}
    plurals = {f"{kind.lower()}s".replace("classs", "classes") for kind in kinds}
    assert plurals == set(cluster.CLUSTER_WIDE)


def test_the_images_are_those_that_the_overlay_names() -> None:
    texts = json.dumps(overlay("dev"))
    for image in cluster.IMAGES:
        assert f'"image": "{image}"' in texts


@pytest.mark.parametrize(
    ("installed", "why"),
    [
        ({}, "docker is not installed"),
        ({"docker": "echo cannot connect >&2; exit 1"}, "no container engine runs here: cannot connect"),
        ({"docker": "exit 0"}, "kind is not installed"),
        ({"docker": 'test "$1" = info', "kind": "exit 0"}, f"the image {cluster.IMAGES[0]} is not there: make image"),
    ],
)
def test_where_no_cluster_can_be_had_it_says_why_and_ends_with_2(
    tmp_path: Path, installed: dict[str, str], why: str
) -> None:
    for name, text in installed.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "tests.cluster"],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: no cluster can be had, nothing was tested: ")
    assert why in done.stderr
    assert not done.stdout


def test_the_sender_counts_photos_faces_and_errors() -> None:
    with local_service() as service:
        environment = os.environ | {"EMOTION_SERVER": service.url, "EMOTION_RETRIES": "0"}
        command = [sys.executable, "-", "3", "0"]
        text = cluster.SENDER.read_text(encoding="utf-8")
        for status, expected in ((200, {"answered": 3, "faces": 3}), (503, {"answered": 0, "faces": 0})):
            service.status = status
            done = subprocess.run(
                command, cwd=ROOT, env=environment, input=text, capture_output=True, text=True, check=True
            )
            found = json.loads(done.stdout)
            assert expected.items() <= found.items()
            assert sum(found["errors"].values()) == 3 - expected["answered"]


def test_make_and_the_readme_name_it() -> None:
    assert "\ncluster-test: " in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "make cluster-test" in (K8S / "README.md").read_text(encoding="utf-8")

"""Archives through real Ray: one machine, two nodes of which one is killed, a killed driver, and an S3 server."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import ray
from moto.server import ThreadedMotoServer
from pyarrow import fs
from ray.cluster_utils import Cluster

from tests.conftest import ROOT
from tests.unit.bulk_photos import BROKEN, all_rows, archive, command, models, photos_once, query, run

PHOTOS = 120


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models(tmp_path_factory.mktemp("bulk") / "models")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, and one in a hundred that is none."""
    folder = archive(tmp_path_factory.mktemp("archive") / "photos", PHOTOS)
    (folder / "broken.jpg").write_bytes(BROKEN["text.jpg"][0])
    return folder


@pytest.fixture(scope="module")
def undisturbed(folder: Path, model_folder: Path) -> Path:
    out = folder.parent / "undisturbed"
    done = run(command(folder, out, model_folder, "--report", str(folder.parent / "summary.html")))
    assert done.returncode == 1, done.stderr
    assert f"{PHOTOS + 1} photos" in done.stdout
    assert "unsupported_format" in done.stdout
    return out


def wait_for_parts(process: "subprocess.Popen[bytes]", out: Path, count: int) -> None:
    deadline = time.monotonic() + 120
    while len(list(out.glob("*.parquet"))) < count:
        assert process.poll() is None, "it ended before it was half-way"
        assert time.monotonic() < deadline, "no parts came"
        time.sleep(0.02)


def test_an_archive_becomes_rows_and_a_page(undisturbed: Path, folder: Path) -> None:
    photos_once(undisturbed, folder)
    page = (folder.parent / "summary.html").read_text(encoding="utf-8")
    assert f"{PHOTOS + 1} photos" in page
    assert "http" not in page


def test_a_killed_driver_loses_and_doubles_nothing(undisturbed: Path, folder: Path, model_folder: Path) -> None:
    out = folder.parent / "killed"
    arguments = command(folder, out, model_folder)
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for_parts(process, out, 3)
        process.send_signal(signal.SIGKILL)
    kept = {path: path.stat().st_mtime_ns for path in out.glob("*.parquet")}
    assert run(arguments).returncode == 1
    assert all_rows(out) == all_rows(undisturbed)
    assert len(kept) < len(list(out.glob("*.parquet"))), "it was killed too late"


def test_a_lost_node_loses_and_doubles_nothing(undisturbed: Path, folder: Path, model_folder: Path) -> None:
    out = folder.parent / "lost"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        second = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        arguments = command(folder, out, model_folder, "--address", cluster.address)
        with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            wait_for_parts(process, out, 5)
            cluster.remove_node(second, allow_graceful=False)
            assert process.wait(timeout=180) == 1
    finally:
        cluster.shutdown()
        ray.shutdown()  # type: ignore[no-untyped-call]
    photos_once(out, folder)
    assert all_rows(out) == all_rows(undisturbed)


def test_a_bucket_is_read_and_written(tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        environment = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        store = fs.S3FileSystem(allow_bucket_creation=True)
        store.create_dir("archive")
        for path in archive(tmp_path / "photos", 6).iterdir():
            with store.open_output_stream(f"archive/2024/{path.stem} ü.jpg") as stream:
                stream.write(path.read_bytes())
        arguments = command("s3://archive/2024", "s3://archive/results", model_folder)
        for _ in range(2):
            done = run(arguments, **os.environ)
            assert done.returncode == 0, done.stderr
            assert "6 photos, 6 faces" in done.stdout
        local = tmp_path / "copied"
        fs.copy_files("archive/results", str(local), store, fs.LocalFileSystem())
        assert len(query(local, "SELECT photo FROM archive WHERE photo LIKE 's3://archive/2024/%.jpg'")) == 6
    finally:
        server.stop()

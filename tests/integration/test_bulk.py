"""Archives through real Ray: one machine, two nodes of which one is killed, a killed driver, and an S3 server."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyarrow import fs
from ray.cluster_utils import Cluster

from bulk.plan import Results, Run, parts
from bulk.source import photos
from bulk.summary import count
from bulk.work import Analyst
from tests.conftest import ROOT
from tests.integration.conftest import free_ports
from tests.unit.bulk_photos import BROKEN, all_rows, archive, command, models, photos_once, query, run

PHOTOS = 80

QUICK = {"RAY_health_check_period_ms": "500", "RAY_health_check_initial_delay_ms": "500"}
"""A dead node is noticed after 2.5 instead of 20 s."""


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


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two nodes of one core each: two sets of Ray's processes on this machine."""
    node: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUICK.items():
            patch.setenv(name, value)
        cluster = Cluster(initialize_head=True, head_node_args=node)
        try:
            cluster.add_node(**node)
            cluster.wait_for_nodes()
            yield cluster
        finally:
            cluster.shutdown()  # type: ignore[no-untyped-call]


@contextmanager
def half_way(arguments: list[str], out: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The command, as soon as it has written three of its eleven parts."""
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 120
            while len(list(out.glob("*.parquet"))) < 3:
                assert process.poll() is None, "it ended before it was half-way"
                assert time.monotonic() < deadline, "no parts came"
                time.sleep(0.02)
            yield process
        finally:
            process.kill()


def test_an_archive_becomes_rows_and_a_page(undisturbed: Path, folder: Path, model_folder: Path) -> None:
    photos_once(undisturbed, folder)
    page = (folder.parent / "summary.html").read_text(encoding="utf-8")
    assert f"{PHOTOS + 1} photos" in page
    assert "http" not in page
    # Nothing is left to do, so Ray, which this address would not let in, is not even asked.
    assert run(command(folder, undisturbed, model_folder, "--address", "127.0.0.1:1")).returncode == 1


def test_a_killed_driver_loses_and_doubles_nothing(
    undisturbed: Path, folder: Path, model_folder: Path, cluster: Cluster
) -> None:
    out = folder.parent / "killed"
    arguments = command(folder, out, model_folder, "--address", cluster.address)
    with half_way(arguments, out) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = len(list(out.glob("*.parquet")))
    assert run(arguments).returncode == 1
    assert kept < len(list(out.glob("*.parquet"))), "it was killed too late"
    assert all_rows(out) == all_rows(undisturbed)


def test_a_lost_node_loses_and_doubles_nothing(
    undisturbed: Path, folder: Path, model_folder: Path, cluster: Cluster
) -> None:
    out = folder.parent / "lost"
    (second,) = cluster.worker_nodes
    with half_way(command(folder, out, model_folder, "--address", cluster.address), out) as process:
        cluster.remove_node(second, allow_graceful=False)
        assert process.poll() is None, "it ended before the node did"
        assert process.wait(timeout=180) == 1
    photos_once(out, folder)
    assert all_rows(out) == all_rows(undisturbed)


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < deadline, "the server does not listen"
            time.sleep(0.1)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[fs.FileSystem]:
    """An S3 server with an empty bucket, `archive`; the environment names it."""
    program = ROOT / ".venv-s3" / "bin" / "moto_server"
    assert program.is_file(), "make .venv-s3/.installed"
    (port,) = free_ports(1)
    with subprocess.Popen(
        [program, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            environment = {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_DEFAULT_REGION": "us-east-1",
            }
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            wait_for(port, process)
            store = fs.S3FileSystem(endpoint_override=f"127.0.0.1:{port}", scheme="http", allow_bucket_creation=True)
            store.create_dir("archive")
            yield store
        finally:
            process.terminate()


def test_a_bucket_is_read_and_written(tmp_path: Path, model_folder: Path, bucket: fs.FileSystem) -> None:
    """Without Ray, which knows nothing of where the files are."""
    for path in archive(tmp_path / "photos", 6).iterdir():
        with bucket.open_output_stream(f"archive/2024/{path.stem} ü.jpg") as stream:
            stream.write(path.read_bytes())
    results = Results("s3://archive/results")
    results.begin(Run("1", "standard", 4), False)
    analyst = Analyst(results.uri, "standard", str(model_folder))
    left = list(parts(photos("s3://archive/2024"), results, 4, False))
    assert [analyst.analyse(part)["faces"] for part in left] == [4, 2]
    assert list(parts(photos("s3://archive/2024"), results, 4, False)) == []
    assert count(results).outcomes == {"ok": 6}
    assert Results("s3://archive/results").run() == Run("1", "standard", 4)
    (local := tmp_path / "copied").mkdir()
    fs.copy_files("archive/results", str(local), bucket, fs.LocalFileSystem())
    assert len(query(local, "SELECT photo FROM archive WHERE photo LIKE 's3://archive/2024/%.jpg'")) == 6

"""Archives through real Ray: one machine, two nodes of which one is killed, a killed driver, and an S3 server."""

import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyarrow import fs
from ray.cluster_utils import Cluster

from bulk import storage
from bulk.summary import SOME_FAILED
from tests.conftest import ROOT
from tests.integration.conftest import free_ports
from tests.unit.bulk_photos import BROKEN, all_rows, archive, break_some, command, models, photos_once, query, run

PHOTOS = 400
"""One in a hundred of them is broken."""

QUICK = {"RAY_health_check_period_ms": "500", "RAY_health_check_initial_delay_ms": "500"}
"""A dead node is noticed after 2.5 instead of 20 s."""


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models(tmp_path_factory.mktemp("bulk") / "models")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = archive(tmp_path_factory.mktemp("archive") / "photos", PHOTOS - len(BROKEN))
    break_some(folder)
    return folder


@pytest.fixture(scope="module")
def undisturbed(folder: Path, model_folder: Path) -> Path:
    """Results of a run that was left alone."""
    out = folder.parent / "undisturbed"
    done = run(command(folder, out, model_folder, "--report", str(folder.parent / "summary.html")))
    assert done.returncode == SOME_FAILED, done.stderr
    assert f"{PHOTOS} photos, " in done.stdout
    assert "photos and" in done.stdout and "faces a second" in done.stdout
    lines = done.stderr.splitlines()  # the last may be a word of Ray's
    assert any(f"{PHOTOS}/{PHOTOS}" in line for line in lines), "a log shows progress too, on lines of its own"
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


def files(out: Path) -> int:
    return len(list(out.glob("*.parquet")))


@contextmanager
def when(arguments: list[str], reached: Callable[[], bool]) -> Iterator["subprocess.Popen[bytes]"]:
    """The command, as soon as it has `reached` something; killed when it is left."""
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 400
            while not reached():
                assert process.poll() is None, "it ended too early"
                assert time.monotonic() < deadline, "it never came so far"
                time.sleep(0.02)
            yield process
        finally:
            process.kill()


def test_an_archive_becomes_rows_and_a_page(undisturbed: Path, folder: Path, model_folder: Path) -> None:
    photos_once(undisturbed, folder)
    failed = query(undisturbed, "SELECT photo, outcome FROM archive WHERE outcome NOT IN ('ok', 'no_face')")
    assert {Path(str(photo)).name: code for photo, code in failed} == {name: code for name, (_, code) in BROKEN.items()}
    page = (folder.parent / "summary.html").read_text(encoding="utf-8")
    assert f"{PHOTOS} photos" in page
    assert "http" not in page
    # Nothing is left to do, so Ray, which this address would not let in, is not even asked.
    assert run(command(folder, undisturbed, model_folder, "--address", "127.0.0.1:1")).returncode == SOME_FAILED


def test_a_driver_killed_five_times_loses_and_doubles_nothing(
    undisturbed: Path, folder: Path, model_folder: Path, cluster: Cluster
) -> None:
    """Where Ray is its own and goes with it, and where it is a cluster that stays; at random, so also between files."""
    out = folder.parent / "killed"
    chance = random.Random(20)  # noqa: S311
    for alone in (True, False, False, True, False):
        arguments = command(folder, out, model_folder, *([] if alone else ["--address", cluster.address]))
        wanted = files(out) + chance.randint(0, 4)
        with when(arguments, lambda wanted=wanted: files(out) >= wanted) as process:  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.15))
            assert process.poll() is None, "it ended before it was killed"
            process.kill()
            process.wait()
    kept = files(out)
    assert run(arguments).returncode == SOME_FAILED
    assert 0 < kept < files(out), "it was killed too early or too late"
    assert all_rows(out) == all_rows(undisturbed)


def test_a_lost_node_loses_and_doubles_nothing(
    undisturbed: Path, folder: Path, model_folder: Path, cluster: Cluster
) -> None:
    out = folder.parent / "lost"
    (second,) = cluster.worker_nodes
    arguments = command(folder, out, model_folder, "--address", cluster.address)
    with when(arguments, lambda: files(out) >= files(undisturbed) // 2) as process:
        cluster.remove_node(second, allow_graceful=False)
        assert process.poll() is None, "it ended before the node did"
        assert process.wait(timeout=600) == SOME_FAILED
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
    folder = archive(tmp_path / "photos", 16)
    break_some(folder)
    for path in folder.iterdir():
        with bucket.open_output_stream(f"archive/2024/{path.stem} ü{path.suffix}") as stream:
            stream.write(path.read_bytes())
    arguments = command("s3://archive/2024", "s3://archive/results", model_folder)
    done = run(arguments)
    assert done.returncode == SOME_FAILED, done.stderr
    (local := tmp_path / "copied").mkdir()
    fs.copy_files("archive/results", str(local), bucket, fs.LocalFileSystem())
    assert files(local) > 1
    found = query(local, "SELECT photo, outcome FROM archive")
    expected = {f"{name[:-4]} ü{name[-4:]}": code for name, (_, code) in BROKEN.items()}
    expected |= {f"{number:05} ü.jpg": "ok" for number in range(16)}
    assert len(found) == len(expected)
    assert {storage.locate(str(photo))[1]: code for photo, code in found} == {
        f"archive/2024/{name}": code for name, code in expected.items()
    }
    again = run([*arguments, "--address", "127.0.0.1:1"])
    assert (again.returncode, again.stdout) == (SOME_FAILED, done.stdout.partition("\n")[2]), "nothing was left to do"

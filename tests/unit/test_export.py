"""The exported files compute what the trained network computes, and say what they are."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from emotion.classifier import Classifier, probabilities, softmax
from emotion.pipeline import Pipeline
from tests.conftest import MODEL, ROOT
from training.artifact import Artifact, load_classifier, save_artifact
from training.compress import choose, latencies
from training.export import export_fp32, export_int8
from training.network import EmotionNetwork, NetworkConfig


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    """A network that was not trained, with statistics as if it had been."""
    torch.manual_seed(0)
    network = EmotionNetwork(NetworkConfig(((16, 32), (64, 64)), 0.1, 128.0, 64.0))
    network(torch.rand(64, 1, 48, 48) * 255)  # in training mode: fills batch normalization's averages
    return Artifact(network.eval(), temperature=1.7, version="9.8.7", training={"recipe": "none"})


@pytest.fixture(scope="module")
def files(artifact: Artifact, grey_faces: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("exported")
    return {
        "fp32": export_fp32(artifact, folder / "fp32.onnx"),
        "int8": export_int8(artifact, grey_faces, folder / "int8.onnx"),
    }


@pytest.fixture(scope="module")
def exported(files: dict[str, Path]) -> dict[str, Classifier]:
    return {precision: load_classifier(path) for precision, path in files.items()}


def test_onnx_computes_what_torch_computes(
    artifact: Artifact, exported: dict[str, Classifier], grey_faces: np.ndarray
) -> None:
    expected = artifact.logits(grey_faces)
    np.testing.assert_allclose(exported["fp32"].logits(grey_faces), expected, atol=1e-4)
    error = np.abs(exported["int8"].logits(grey_faces) - expected).mean() / expected.std()
    assert 0 < error < 0.1, "rounded to 8 bits: near, not equal"
    assert len(np.unique(exported["int8"].logits(grey_faces).round(6))) > 150, "of 196: they come in no steps"
    for count in (1, 3, 28):
        assert exported["int8"].logits(grey_faces[:count]).shape == (count, 7)


def test_a_file_says_what_it_is(exported: dict[str, Classifier]) -> None:
    for precision, classifier in exported.items():
        assert classifier.runtime == f"onnxruntime {precision}"
        assert (classifier.name, classifier.version, classifier.temperature) == ("emotion", "9.8.7", 1.7)


def test_int8_is_less_than_a_third_of_the_size(files: dict[str, Path]) -> None:
    assert files["int8"].stat().st_size < files["fp32"].stat().st_size / 3
    operations = {node.op_type for node in onnx.load(files["int8"]).graph.node}
    assert "BatchNormalization" not in operations, "folded into the convolutions"


def test_files_hold_no_paths_of_this_machine() -> None:
    content = MODEL.read_bytes()
    assert str(ROOT).encode() not in content
    assert b"site-packages" not in content


def test_the_pipeline_answers_with_what_the_network_answers(pipeline: Pipeline, grey_faces: np.ndarray) -> None:
    expected = probabilities(load_classifier(MODEL), grey_faces)
    np.testing.assert_allclose(pipeline.classify(list(grey_faces)), expected, atol=1e-9)
    np.testing.assert_allclose(expected.sum(1), 1)


def test_softmax_is_stable_and_sharpened_by_a_low_temperature() -> None:
    logits = np.array([[1000.0, 0, 0, 0, 0, 0, 0], [1.0, 2, 3, 4, 5, 6, 7]])
    assert softmax(logits, 1.0)[0, 0] == 1
    assert softmax(logits, 0.5)[1, 6] > softmax(logits, 1.0)[1, 6] > softmax(logits, 2.0)[1, 6] > 1 / 7


@pytest.mark.parametrize(("field", "value"), [("format", "other"), ("labels", json.dumps(["happy"]))])
def test_a_strange_onnx_file_is_refused(artifact: Artifact, tmp_path: Path, field: str, value: str) -> None:
    path = export_fp32(artifact, tmp_path / "strange.onnx")
    model = onnx.load(path)
    for entry in model.metadata_props:
        if entry.key == field:
            entry.value = value
    onnx.save(model, path)
    with pytest.raises(ValueError, match=rf"strange\.onnx: {field}"):
        load_classifier(path)


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    with pytest.raises(ValueError, match=r"broken\.onnx: ONNX Runtime cannot load it"):
        load_classifier(tmp_path / "broken.onnx")
    with pytest.raises(FileNotFoundError, match=r"none\.onnx"):
        load_classifier(tmp_path / "none.onnx")


def test_a_network_that_was_not_compressed_is_served_too(artifact: Artifact, tmp_path: Path) -> None:
    save_artifact(artifact, tmp_path / "emotion.pt")
    assert load_classifier(tmp_path / "emotion.pt").runtime == "torch fp32"


def point(accuracy: float, work: float, size: int = 1_000_000) -> dict[str, object]:
    """A point without latencies: the choice must not look at them."""
    return {"accuracy": accuracy, "work": work, "bytes": size}


def test_the_most_accurate_point_within_the_bounds_ships() -> None:
    points = {
        "fp32 in PyTorch": point(0.71, 168e6) | {"bytes": None},
        "fp32": point(0.71, 168e6),
        "int8": point(0.709, 42e6),
        "pruned + int8": point(0.7, 20e6),
    }
    assert choose(points) == "int8"
    points["int8"] = point(0.709, 61e6)
    with pytest.raises(SystemExit, match="no point is within the bounds"):
        choose(points)
    points["int8"] = point(0.709, 42e6, size=6_000_001)
    points["pruned + int8"] = point(0.706, 20e6)
    assert choose(points) == "pruned + int8"
    points["int8"] = point(0.706, 42e6)
    assert choose(points) == "pruned + int8", "as accurate, and less work"


class Watching:
    """A network that notes how many faces it is given, and how many threads it may use."""

    name, version, runtime, temperature = "watching", "1", "by hand", 1.0

    def __init__(self) -> None:
        self.seen: set[tuple[int, int]] = set()

    def logits(self, faces: np.ndarray) -> np.ndarray:
        self.seen.add((len(faces), torch.get_num_threads()))
        return np.zeros((len(faces), 7))


def test_latency_is_measured_for_every_batch_on_one_thread(grey_faces: np.ndarray) -> None:
    watching = Watching()
    torch.set_num_threads(2)
    try:
        times = latencies({"watched": watching}, np.concatenate([grey_faces, grey_faces]), rounds=1)
        assert torch.get_num_threads() == 2, "left as it was"
    finally:
        torch.set_num_threads(1)
    assert watching.seen == {(size, 1) for size in (1, 8, 32)}
    assert set(times["watched"]) == {1, 8, 32}

"""A trained network is exported, read back, and must answer as it did."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from training.artifact import Artifact, load_classifier
from training.export import export_fp32, export_int8
from training.network import EmotionNetwork, NetworkConfig
from training.recovery import recover
from training.scoring import predict_logits


def a_network(faces: np.ndarray) -> Artifact:
    """Not trained, but normalized by `faces`, and with a head that tells them apart."""
    torch.manual_seed(0)
    network = EmotionNetwork(NetworkConfig(((16, 16), (32, 24)), 0.0, 129.5, 65.2))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    network.train()(torch.from_numpy(faces).unsqueeze(1))
    nn.init.normal_(network.head.weight, std=3.0)
    return Artifact(network.eval(), temperature=0.8, version="3.1.4", training={"recipe": {"name": "tiny"}})


@pytest.mark.filterwarnings("ignore")  # the exporter's and the quantizer's own
def test_a_network_read_back_answers_as_the_file_it_was_read_from(grey_faces: np.ndarray, tmp_path: Path) -> None:
    artifact = a_network(grey_faces)
    for path, most in (
        (export_fp32(artifact, tmp_path / "fp32.onnx"), 1e-3),
        (export_int8(artifact, grey_faces, tmp_path / "int8.onnx"), 0.3),  # activations are not rounded any more
    ):
        again = recover(path, grey_faces)
        expected = load_classifier(path).logits(grey_faces)
        np.testing.assert_allclose(predict_logits(again.network, grey_faces).numpy(), expected, atol=most)
        assert np.ptp(expected, axis=0).min() > 2 * most, "the faces are told apart, so the comparison says something"
        assert again.network.config.stages == artifact.network.config.stages
        assert (again.temperature, again.version) == (0.8, "3.1.4")
        assert again.training["origin"] == artifact.training


@pytest.mark.filterwarnings("ignore")
def test_normalization_of_a_network_read_back_is_that_of_its_faces(grey_faces: np.ndarray, tmp_path: Path) -> None:
    """So it goes on training as if it had normalized these faces all along."""
    network = recover(export_fp32(a_network(grey_faces), tmp_path / "fp32.onnx"), grey_faces).network
    network.dropout.p = 0
    whole = network.train()(torch.from_numpy(grey_faces).unsqueeze(1))
    settled = network.eval()(torch.from_numpy(grey_faces).unsqueeze(1))
    torch.testing.assert_close(whole, settled, atol=1e-3, rtol=1e-3)


def test_a_file_of_another_kind_is_refused(grey_faces: np.ndarray, tmp_path: Path) -> None:
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "other", [value], [onnx.helper.make_empty_tensor_value_info("y")])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "other.onnx")
    with pytest.raises(ValueError, match=r"not a network that training\.export wrote"):
        recover(tmp_path / "other.onnx", grey_faces)

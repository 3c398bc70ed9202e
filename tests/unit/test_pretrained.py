"""Networks that begin with other people's weights begin with exactly those."""

from pathlib import Path
from urllib.error import URLError

import dlib
import numpy as np
import pytest
import skimage.io
import torch
import torchvision
from torch.nn import functional

from emotion.artifact import Artifact, load_artifact, save_artifact
from emotion.backbones import FACE_RESNET_BLOCKS, FACE_RESNET_CHANNELS, FaceResNet, Shrink
from emotion.classifier import load_classifier
from emotion.network import EmotionNetwork, NetworkConfig
from tests.conftest import photo_path
from training.export import export_fp32, export_int8
from training.pretrained import DLIB_MEAN, DLIB_SCALE, WEIGHT_RMS, calibrate, dlib_arrays, load_dlib, pretrained_network
from training.pruning import count, prune
from training.recipe import BackboneRecipe, RecipeError, load_recipe
from training.targets import label_targets
from training.third_party import FACE_RECOGNITION, fetch
from training.train import RECIPES


@pytest.fixture(scope="module")
def dlib_file() -> Path:
    return fetch(FACE_RECOGNITION)


@pytest.fixture(scope="module")
def begun(grey_faces: np.ndarray) -> EmotionNetwork:
    recipe = BackboneRecipe(name="face-resnet", weights="dlib", enlarge=2, dropout=0.0)
    torch.manual_seed(0)
    return pretrained_network(recipe, 129.0, 64.0, grey_faces).eval()


def test_dlibs_file_is_read_as_dlib_reads_it(dlib_file: Path) -> None:
    """All of dlib's network, written out with the weights as we read them, describes a face as dlib itself does."""
    arrays = dlib_arrays(dlib_file)

    def convolve(features: torch.Tensor, width: int, side: int, stride: int) -> torch.Tensor:
        weights, gains = next(arrays), next(arrays)
        kernels = weights[:-width].view(width, -1, side, side)
        padding = side // 2 if stride == 1 else 0
        features = functional.conv2d(features, kernels, weights[-width:], stride=stride, padding=padding)
        return features * gains[:width].view(-1, 1, 1) + gains[width:].view(-1, 1, 1)

    chip = np.ascontiguousarray(skimage.io.imread(photo_path("smiling"))[30:180, 150:300])
    pixels = torch.from_numpy(chip).permute(2, 0, 1).float()[None]
    features = convolve((pixels - torch.tensor(DLIB_MEAN).view(3, 1, 1)) / DLIB_SCALE, 32, side=7, stride=2)
    features = functional.max_pool2d(functional.relu(features), 3, stride=2)
    for stage, (width, blocks) in enumerate(zip((32, 64, 128, 256, 256), (*FACE_RESNET_BLOCKS, 1), strict=True)):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            inside = convolve(functional.relu(convolve(features, width, 3, stride)), width, 3, 1)
            shortcut = functional.avg_pool2d(features, 2) if stride == 2 else features
            missing = shortcut.shape[-1] - inside.shape[-1]
            inside = functional.pad(inside, (0, missing, 0, missing))
            shortcut = functional.pad(shortcut, (0, 0, 0, 0, 0, width - shortcut.shape[1]))
            features = functional.relu(inside + shortcut)
    assert next(arrays, None) is None
    # The last layer is no convolution, so it is not read: 256 × 128 floats, 21 bytes behind the start of its name.
    content = dlib_file.read_bytes()
    last = np.frombuffer(content, "<f4", 256 * 128, content.rindex(b"\x04fc_2") + 21).reshape(256, 128)
    expected = np.array(dlib.face_recognition_model_v1(str(dlib_file)).compute_face_descriptor(chip))
    np.testing.assert_allclose(features.mean((2, 3))[0].numpy() @ last, expected, atol=1e-5)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.dat"
    path.write_bytes(b"\x05con_4" + b"\x01\x01" * 5)
    with pytest.raises(ValueError, match=r"other\.dat: a tensor of version 1"):
        list(dlib_arrays(path))


@pytest.fixture
def uncalibrated(dlib_file: Path) -> EmotionNetwork:
    channels = tuple((width,) * blocks for width, blocks in zip(FACE_RESNET_CHANNELS, FACE_RESNET_BLOCKS, strict=True))
    network = EmotionNetwork(NetworkConfig(channels, False, 0.0, 129.0, 64.0, "face-resnet", 2)).eval()
    load_dlib(face_resnet(network), dlib_file, 129.0, 64.0)
    return network


def face_resnet(network: EmotionNetwork) -> FaceResNet:
    body = network.features[-1]
    assert isinstance(body, FaceResNet)
    return body


def test_the_weights_are_dlibs_for_grey_faces(
    dlib_file: Path, uncalibrated: EmotionNetwork, grey_faces: np.ndarray
) -> None:
    """Grey as three equal colours through dlib's first convolution, and grey through ours."""
    kernels, gains = (array for array, _ in zip(dlib_arrays(dlib_file), range(2), strict=False))
    enlarge = uncalibrated.features[0]
    grey = torch.from_numpy(grey_faces[:4]).unsqueeze(1).float()
    colours = (enlarge(grey).expand(-1, 3, -1, -1) - torch.tensor(DLIB_MEAN).view(3, 1, 1)) / DLIB_SCALE
    expected = functional.conv2d(colours, kernels[:-32].view(32, 3, 7, 7), kernels[-32:], stride=2, padding=3)
    expected = functional.relu(expected * gains[:32].view(-1, 1, 1) + gains[32:].view(-1, 1, 1))
    with torch.no_grad():
        ours = face_resnet(uncalibrated).stem[:3](enlarge((grey - 129.0) / 64.0))
    # At the borders, what is padded differs: our mean grey, dlib's mean colour.
    torch.testing.assert_close(ours[:, :, 2:-2, 2:-2], expected[:, :, 2:-2, 2:-2], atol=1e-4, rtol=1e-4)


def test_calibration_scales_the_weights_and_changes_no_answer(
    uncalibrated: EmotionNetwork, grey_faces: np.ndarray
) -> None:
    body, faces = face_resnet(uncalibrated), torch.from_numpy(grey_faces).unsqueeze(1)
    with torch.no_grad():
        before = uncalibrated.embed(faces)
        calibrate(uncalibrated, body, faces)
        after = uncalibrated.embed(faces)
    # The epsilon of batch normalization weighs a little differently after scaling.
    assert (after - before).abs().max() < 0.02 * before.std()
    for convolution, normalization in body.normalized_convolutions():
        assert convolution.weight.square().mean().sqrt().item() == pytest.approx(WEIGHT_RMS, rel=1e-4)
        assert normalization.running_var is not None and normalization.running_var.min() > 0


def test_it_is_saved_exported_and_pruned_like_any_other(
    begun: EmotionNetwork, grey_faces: np.ndarray, tmp_path: Path
) -> None:
    artifact = Artifact(begun, temperature=1.0, version="0")
    save_artifact(artifact, tmp_path / "face.pt")
    expected = load_artifact(tmp_path / "face.pt").logits(grey_faces)
    np.testing.assert_allclose(expected, artifact.logits(grey_faces), atol=1e-5)
    fp32 = load_classifier(export_fp32(artifact, tmp_path / "fp32.onnx")).logits(grey_faces)
    np.testing.assert_allclose(fp32, expected, atol=1e-4)
    int8 = load_classifier(export_int8(artifact, grey_faces, tmp_path / "int8.onnx")).logits(grey_faces)
    assert np.abs(int8 - expected).mean() / expected.std() < 0.15

    labels = torch.arange(len(grey_faces)) % 7
    pruned = prune(begun, 0.3, 16, torch.from_numpy(grey_faces).unsqueeze(1), label_targets(labels, 0.1))
    assert count(pruned)[0] < 0.8 * count(begun)[0]
    save_artifact(Artifact(pruned.eval(), temperature=1.0, version="0"), tmp_path / "pruned.pt")
    assert load_artifact(tmp_path / "pruned.pt").logits(grey_faces).shape == (28, 7)


def test_a_shortcut_as_a_convolution_is_the_same_shortcut() -> None:
    shrink, features = Shrink(3, 5), torch.rand(2, 3, 12, 12)
    torch.testing.assert_close(shrink.as_convolution()(features), shrink(features))


def test_torchvisions_networks_come_without_their_last_layers(grey_faces: np.ndarray) -> None:
    recipe = BackboneRecipe(name="resnet18", weights="none", dropout=0.0)
    network = pretrained_network(recipe, 129.0, 64.0, grey_faces).eval()
    assert network(torch.from_numpy(grey_faces).unsqueeze(1)).shape == (28, 7)
    with pytest.raises(ValueError, match="only plain networks"):
        prune(network, 0.3, 8, torch.zeros(1), torch.zeros(1))


def test_torchvisions_weights_are_taken(grey_faces: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """The download is replaced: an index of torchvision's weights cannot be reached from every machine."""
    trained = torchvision.models.resnet18()
    monkeypatch.setattr(torchvision.models.ResNet18_Weights, "get_state_dict", lambda *_, **__: trained.state_dict())
    recipe = BackboneRecipe(name="resnet18", weights="IMAGENET1K_V1", dropout=0.0)
    network = pretrained_network(recipe, 129.0, 64.0, grey_faces)
    torch.testing.assert_close(network.features[-1][0].weight, trained.conv1.weight)  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("face-resnet", "IMAGENET1K_V1", "face-resnet has none and dlib"),
        ("resnet17", "none", "no network 'resnet17'"),
        ("resnet18", "IMAGENET9K", "IMAGENET9K"),
        ("densenet121", "none", "no layer avgpool"),
    ],
)
def test_what_does_not_exist_is_named(grey_faces: np.ndarray, name: str, weights: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        pretrained_network(BackboneRecipe(name=name, weights=weights, dropout=0.0), 129.0, 64.0, grey_faces)


def test_weights_that_cannot_be_downloaded_say_what_to_do(
    grey_faces: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torchvision.models.ResNet18_Weights, "get_state_dict", fail)
    with pytest.raises(RecipeError, match=r"IMAGENET1K_V1.*no route to host.*checkpoints.*--weights none"):
        pretrained_network(
            BackboneRecipe(name="resnet18", weights="IMAGENET1K_V1", dropout=0.0), 129.0, 64.0, grey_faces
        )


def test_only_a_backbone_can_begin_with_other_weights() -> None:
    assert load_recipe(RECIPES / "face-resnet.toml").beginning_with("none").backbone.weights == "none"  # type: ignore[union-attr]
    with pytest.raises(RecipeError, match=r"vgg-small has no \[backbone\]"):
        load_recipe(RECIPES / "vgg-small.toml").beginning_with("dlib")

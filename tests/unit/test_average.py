"""Networks averaged with their shares."""

from pathlib import Path

import pytest
import torch

from emotion.labels import LABELS
from tests.unit.tiny_run import CPU, tiny_recipe
from training.artifact import Artifact, load_artifact
from training.average import average, balanced
from training.data import Split
from training.recipe import NetworkRecipe
from training.train import train


def trained(handful: Split, out: Path, width: int = 32, seed: int = 3) -> Artifact:
    shape = NetworkRecipe(widths=(16, width), depth=2, dropout=0.0)
    recipe = tiny_recipe(epochs=1).model_copy(update={"network": shape, "seed": seed})
    return load_artifact(train(recipe, handful, handful, out, CPU))


def test_an_average_has_its_parts_weights_and_statistics_of_its_own(handful: Split, tmp_path: Path) -> None:
    paths = [Path("runs/first/emotion.pt"), Path("runs/second/emotion.pt")]
    parts = {path: trained(handful, tmp_path / str(seed), seed=seed) for seed, path in enumerate(paths)}
    artifact = average(parts, dict(zip(paths, (0.75, 0.25), strict=True)), handful, handful, "9.0.0")
    first, second = (parts[path].network.state_dict() for path in paths)
    weights = artifact.network.state_dict()
    torch.testing.assert_close(weights["head.weight"], 0.75 * first["head.weight"] + 0.25 * second["head.weight"])
    assert not torch.equal(first["head.weight"], second["head.weight"])
    with torch.no_grad():
        faces = torch.from_numpy(handful.images).unsqueeze(1).float()
        config = artifact.network.config
        seen = artifact.network.get_submodule("features.0.0")((faces - config.pixel_mean) / config.pixel_std)
    torch.testing.assert_close(weights["features.0.1.running_mean"], seen.mean((0, 2, 3)), atol=1e-4, rtol=1e-4)
    assert artifact.version == "9.0.0"
    assert artifact.training["average"] == {"first/emotion.pt": 0.75, "second/emotion.pt": 0.25}
    assert artifact.training["recipe"]["name"] == "tiny"


def test_what_has_no_average_is_refused(handful: Split, tmp_path: Path) -> None:
    one, other = Path("one"), Path("other")
    parts = {one: trained(handful, tmp_path / "1"), other: trained(handful, tmp_path / "2", width=64)}
    with pytest.raises(ValueError, match="together they are 1"):
        average(parts, {one: 0.5, other: 0.4}, handful, handful, "1")
    with pytest.raises(ValueError, match="different shapes"):
        average(parts, {one: 0.5, other: 0.5}, handful, handful, "1")


def test_a_balanced_average_names_a_neglected_emotion_more_often(handful: Split, tmp_path: Path) -> None:
    path = Path("only")
    parts = {path: trained(handful, tmp_path)}
    plain = average(parts, {path: 1.0}, handful, handful, "1")
    fair = balanced(plain, handful, 1.0)
    torch.testing.assert_close(fair.network.head.weight, plain.network.head.weight)

    def share(artifact: Artifact) -> torch.Tensor:
        return torch.bincount(torch.from_numpy(artifact.logits(handful.images)).argmax(1), minlength=7)

    assert (fair.network.head.bias - plain.network.head.bias).abs().max() > 0.01
    assert share(fair).amax() < share(plain).amax(), "four faces of each emotion"
    neglected = share(plain) == share(plain).amin()
    raised = (fair.network.head.bias - plain.network.head.bias)[neglected]
    assert raised.mean() > 0 and share(fair)[neglected].sum() > share(plain)[neglected].sum()
    assert fair.training["balance"] == 1.0
    assert fair.training["offsets"] == pytest.approx(
        dict(zip(LABELS, (fair.network.head.bias - plain.network.head.bias).tolist(), strict=True)), abs=1e-3
    )
    again = average({path: fair}, {path: 1.0}, handful, handful, "2")
    assert not {"balance", "offsets"} & again.training.keys(), "what balanced a part does not balance the average"
    for wrong in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="it goes from 0"):
            balanced(plain, handful, wrong)

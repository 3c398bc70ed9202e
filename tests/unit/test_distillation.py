"""What a student learns from its teachers' answers to each view."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unit.tiny_run import CPU, tiny_recipe
from training.artifact import Artifact, load_artifact
from training.built_on import KEPT
from training.data import Split, fingerprints, load_fingerprints
from training.distillation import Teachers, distillation_loss
from training.evaluate import evaluate
from training.network import EmotionNetwork, NetworkConfig
from training.recipe import CorruptionRecipe, DistillationRecipe, StartRecipe
from training.run import Run
from training.train import train

NOISE = CorruptionRecipe(intact=0.5, cover=0, light=0, blur=0, shrink=0, noise=1, jpeg=0)


def test_a_student_that_answers_as_its_teachers_has_nothing_to_learn() -> None:
    torch.manual_seed(0)
    logits = torch.randn(5, 7, requires_grad=True)
    answers = torch.softmax(logits.detach() / 3, dim=1)
    loss = distillation_loss(logits, answers, temperature=3)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-5)
    torch.testing.assert_close(logits.grad, torch.zeros_like(logits), atol=1e-6, rtol=0)


def test_the_gradient_keeps_its_size_at_high_temperatures() -> None:
    """Hinton et al. 2015, equation 4: for high temperatures it is (z − v) / N, whatever the temperature."""
    torch.manual_seed(0)
    student, teacher = (each - each.mean(1, keepdim=True) for each in torch.randn(2, 4, 7))
    gradients = []
    for temperature in (50.0, 100.0):
        logits = student.clone().requires_grad_()
        distillation_loss(logits, torch.softmax(teacher / temperature, dim=1), temperature).backward()
        gradients.append(logits.grad)
    expected = (student - teacher) / 7 / 4
    for gradient in gradients:
        torch.testing.assert_close(gradient, expected, atol=2e-3, rtol=0.05)


def test_teachers_answer_as_the_networks_they_are(grey_faces: np.ndarray) -> None:
    torch.manual_seed(0)
    networks = [EmotionNetwork(NetworkConfig(((8, width),), 0.5, 128, 60)) for width in (8, 16)]
    faces = torch.from_numpy(grey_faces).unsqueeze(1)
    for network in networks:
        network.train()(faces)  # so that normalization has something to fold
        network.eval()
    artifacts = [Artifact(network, temperature=0.5, version="1") for network in networks]
    first, second = (torch.softmax(network(faces) / 2, dim=1) for network in networks)
    torch.testing.assert_close(Teachers(artifacts, 2.0, CPU.device).answers(faces), (first + second) / 2)
    unequal = Teachers(artifacts, 2.0, CPU.device, shares=(3.0, 1.0))
    torch.testing.assert_close(unequal.answers(faces), 0.75 * first + 0.25 * second)
    with torch.autocast("cpu", torch.bfloat16):
        answers = unequal.answers(faces)
    assert answers.dtype == torch.float32
    torch.testing.assert_close(answers.sum(1), torch.ones(len(faces)), atol=1e-5, rtol=0)


def test_a_student_learns_what_its_teacher_answers_to_undamaged_views(handful: Split, tmp_path: Path) -> None:
    """The labels say something else, and the student sees noise on half of the faces."""
    train(tiny_recipe(), handful, handful, tmp_path / "teacher", CPU)
    wrong = Split("train", handful.images, (handful.labels + 1) % 7)
    teaching = DistillationRecipe(teachers=("teacher/emotion.pt",), weight=1.0, temperature=2.0)
    recipe = tiny_recipe().model_copy(update={"corruption": NOISE, "distillation": teaching})
    student = load_artifact(train(recipe, wrong, handful, tmp_path / "student", CPU))
    assert evaluate(student, handful, trained_on=None)["accuracy"] > 0.9


def test_a_run_can_begin_with_the_committed_weights(handful: Split, tmp_path: Path) -> None:
    start = StartRecipe(network="emotion-2.1.0.pt")
    recipe = tiny_recipe(epochs=1).model_copy(update={"network": None, "start": start})
    run = Run(recipe, handful, tmp_path, CPU)
    kept = load_artifact(KEPT / "emotion-2.1.0.pt")
    torch.testing.assert_close(run.network.state_dict(), kept.network.state_dict())


def test_what_a_network_saw_before_it_was_trained_on_is_not_forgotten(handful: Split, tmp_path: Path) -> None:
    """Or an evaluation would count faces as new that its weights know."""
    first, second = (handful.where(np.arange(len(handful)) % 2 == each) for each in (0, 1))
    train(tiny_recipe(epochs=1), first, handful, tmp_path / "first", CPU)
    start = StartRecipe(network="first/emotion.pt")
    recipe = tiny_recipe(epochs=1).model_copy(update={"network": None, "start": start})
    train(recipe, second, handful, tmp_path / "second", CPU)
    seen = load_fingerprints(tmp_path / "second" / "fingerprints.npy")
    assert seen is not None and set(seen) == set(fingerprints(handful.images))


def test_only_what_has_a_size_decays(handful: Split, tmp_path: Path) -> None:
    run = Run(tiny_recipe(epochs=1, weight_decay=0.1), handful, tmp_path, CPU)
    decays = {id(each): group["weight_decay"] for group in run.optimizer.param_groups for each in group["params"]}
    assert len(decays) == len(run.parameters)
    for name, parameter in run.network.named_parameters():
        expected = 0.1 if name.endswith("weight") and parameter.ndim > 1 else 0.0
        assert decays[id(parameter)] == expected, name

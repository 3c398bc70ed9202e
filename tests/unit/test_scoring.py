"""Temperature, and the offsets that give rare emotions their share."""

import pytest
import torch

from training.scoring import fit_offsets, fit_temperature


def test_temperature_undoes_overconfidence() -> None:
    generator = torch.Generator().manual_seed(0)
    honest = torch.randn(20_000, 7, generator=generator) * 2
    labels = torch.multinomial(honest.softmax(1), 1, generator=generator).squeeze(1)
    assert fit_temperature(honest * 3, labels) == pytest.approx(3, rel=0.05)


def test_offsets_let_emotions_be_named_as_often_as_they_are_labelled() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.multinomial(torch.tensor([0.3, 0.02, 0.1, 0.2, 0.1, 0.08, 0.2]), 5000, True, generator=generator)
    logits = torch.nn.functional.one_hot(labels, 7) * 1.2 + torch.randn(5000, 7, generator=generator)
    logits[:, 1] -= 1.5

    def named(strength: float) -> torch.Tensor:
        return torch.bincount((logits + fit_offsets(logits, labels, strength)).argmax(1), minlength=7)

    wanted = torch.bincount(labels, minlength=7)
    torch.testing.assert_close(named(1.0), wanted, rtol=0, atol=20)
    assert named(0.0)[1] < named(0.5)[1] < wanted[1]
    torch.testing.assert_close(named(0.0), torch.bincount(logits.argmax(1), minlength=7))
    assert fit_offsets(logits, labels, 0.5).mean().abs() < 1e-6

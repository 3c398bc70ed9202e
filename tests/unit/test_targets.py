import torch

from training.targets import informed_by_votes


def test_teachers_who_know_the_votes_answer_with_both() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(7, (2000,), generator=generator)
    silent = torch.zeros(2000, 7)
    answers = torch.softmax(torch.randn(2000, 7, generator=generator), dim=1)
    torch.testing.assert_close(informed_by_votes(answers, silent, labels), answers, atol=1e-3, rtol=1e-2)

    guesses = torch.randint(7, (2000,), generator=generator)
    voted = torch.where(torch.rand(2000, generator=generator) < 0.6, labels, guesses)
    votes = torch.nn.functional.one_hot(voted, 7).float()
    undecided = torch.full((2000, 7), 1 / 7)
    informed = informed_by_votes(undecided, votes, labels)
    torch.testing.assert_close(informed.sum(1), torch.ones(2000))
    assert (informed.argmax(1) == voted).all()
    right = informed[torch.arange(2000), labels].mean()
    assert 0.4 < right < 0.6, "as sure as votes are worth: right in 0.6 + 0.4 / 7 of the cases"

    both = informed_by_votes(0.5 * answers + 0.5 * torch.nn.functional.one_hot(labels, 7), votes, labels)
    assert (both.argmax(1) == labels).float().mean() > (voted == labels).float().mean()

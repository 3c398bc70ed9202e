"""Who may ask."""

import pytest

from serving.access import LONGEST, SHORTEST, token_from
from serving.addresses import ServerFailed

SECRET = "s3cret-that-is-long"  # noqa: S105 - made up


def test_on_loopback_everybody_may_ask_unless_there_is_a_token() -> None:
    assert token_from({}, "127.0.0.1") == ""
    assert token_from({"EMOTION_TOKEN": SECRET}, "127.0.0.1") == SECRET


@pytest.mark.parametrize("environment", [{}, {"EMOTION_TOKEN": ""}, {"EMOTION_OPEN": "no"}, {"EMOTION_OPEN": ""}])
def test_elsewhere_it_must_be_said_that_everybody_may_ask(environment: dict[str, str]) -> None:
    with pytest.raises(ServerFailed, match=r"EMOTION_TOKEN .* EMOTION_OPEN=yes"):
        token_from(environment, "0.0.0.0")  # noqa: S104 - the case in question


def test_elsewhere_a_token_or_an_explicit_yes_will_do() -> None:
    assert token_from({"EMOTION_TOKEN": SECRET}, "::") == SECRET
    assert token_from({"EMOTION_OPEN": "yes"}, "::") == ""
    assert token_from({"EMOTION_OPEN": "yes", "EMOTION_TOKEN": SECRET}, "::") == SECRET


@pytest.mark.parametrize(
    "token", ["x" * (SHORTEST - 1), "x" * (LONGEST + 1), SECRET + " x", SECRET + "\n", SECRET + "é"]
)
def test_a_token_that_will_not_do_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(ServerFailed, match="EMOTION_TOKEN") as refused:
        token_from({"EMOTION_TOKEN": token}, "127.0.0.1")
    assert token not in str(refused.value)

"""Every sentence about photos is held by a test, which SECURITY.md names."""

import ast
import re
from collections.abc import Iterator

import pytest

from client.consent import NOTICE, WHAT_HAPPENS
from tests.conftest import ROOT


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def promises() -> dict[str, list[str]]:
    """The tests, as file::function, for each of the words in SECURITY.md's table."""
    table = text("SECURITY.md").partition("## What is promised about photos")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| ")][1:]
    found: dict[str, list[str]] = {}
    tests: list[str] = []
    for words, held in rows:
        named = re.findall(r"`(tests/[\w/]+\.py::\w+)`", held)
        tests = named or tests  # "the same"
        for each in words.split(";"):
            found[each.strip()] = tests
    return found


def sentences(words: str) -> Iterator[str]:
    plain = re.sub(r"[*\n ]+", " ", re.sub(r":material/\w+: |(?m:^\s*(-|\d\.) )", "", words))
    said = re.split(r"(?<=[.:;]) (?=[A-Z[])", plain.strip())
    yield from (each for each in said if each and "SECURITY.md" not in each)


def bullets(words: str, begin: str) -> str:
    """The items of a list that begin so."""
    items = re.findall(r"(?ms)^- .*?(?=^- |^\n|\Z)", words)
    return "".join(item for item in items if item.removeprefix("- ").removeprefix("**").startswith(begin))


def spoken() -> Iterator[str]:
    """What is said about photos, anywhere."""
    for told in (WHAT_HAPPENS, *(bullets(each, "Photos are") for each in (NOTICE, text("README.md"), text(CARD)))):
        assert told
        yield from sentences(told)
    for path in (ROOT / "client").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "discarded" in node.value:
                yield from sentences(bullets(node.value, "Photos are") or node.value)


CARD = "training/model_card.md.in"


@pytest.mark.parametrize("sentence", sorted(set(spoken())))
def test_a_sentence_about_photos_is_held_by_a_test(sentence: str) -> None:
    assert any(words in sentence for words in promises()), f"no row of SECURITY.md holds: {sentence}"


@pytest.mark.parametrize(("words", "tests"), promises().items())
def test_what_holds_a_promise_exists(words: str, tests: list[str]) -> None:
    assert any(words in sentence for sentence in spoken()), "nobody says so any more"
    assert tests
    for test in tests:
        path, _, name = test.partition("::")
        functions = {node.name for node in ast.walk(ast.parse(text(path))) if isinstance(node, ast.FunctionDef)}
        assert name in functions, f"there is no {test}"

"""The requests shown to copy are requests that work."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from client.examples import PLACEHOLDER, examples, public_address
from client.settings import Settings, from_environment
from tests.conftest import photo_bytes
from tests.unit.local_service import Service

COMMANDS = {
    "curl": ["bash", "-c"],
    "Python": [sys.executable, "-c"],
    "JavaScript": ["node", "--input-type=module", "-e"],
}

FILE = "a 'quoted' photo.jpg"


@pytest.mark.parametrize("token", ["", "secret"])
@pytest.mark.parametrize("name", COMMANDS)
def test_each_example_sends_the_photo(service: Service, tmp_path: Path, name: str, token: str) -> None:
    command = COMMANDS[name]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    (tmp_path / FILE).write_bytes(photo_bytes("smiling"))
    (example,) = (each for each in examples(Settings(service.url, token), FILE, "fast") if each.name == name)
    assert "secret" not in example.code
    environment = os.environ | {"EMOTION_TOKEN": token}
    done = subprocess.run(
        [*command, example.code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert "happy" in done.stdout
    assert service.received == photo_bytes("smiling")
    assert service.headers["Authorization"] == (f"Bearer {token}" if token else None)


def test_an_address_that_only_the_cluster_knows_is_not_shown() -> None:
    assert public_address(Settings("http://emotion-server:8080")) == PLACEHOLDER
    assert public_address(Settings("http://127.0.0.1:8080")) == "http://127.0.0.1:8080"
    told = from_environment(
        {"EMOTION_SERVER": "http://emotion-server:8080", "EMOTION_PUBLIC_SERVER": "https://faces.example.org/"}
    )
    assert public_address(told) == "https://faces.example.org"
    with pytest.raises(ValueError, match="EMOTION_PUBLIC_SERVER is 'nowhere'"):
        from_environment({"EMOTION_PUBLIC_SERVER": "nowhere"})

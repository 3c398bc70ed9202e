"""Sample photos to try the page with, and what the service says of the first one."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageOps

from client.api import Answer
from client.encoding import data_url, encoded
from client.photos import prepare
from client.results import Outcome
from emotion.contract import Analysis

FOLDER = Path(__file__).resolve().parent

EXAMPLE = FOLDER / "example.json"
"""The service's answer for the first sample; `python -m tests.golden` writes it anew."""

THUMBNAIL = (192, 144)


@dataclass(frozen=True)
class Sample:
    """A photo; `source` names who made it and under which licence it is."""

    title: str
    path: Path
    shows: str
    source: str

    def thumbnail(self) -> str:
        """A small picture of it as a data URL."""
        with Image.open(self.path) as image:
            small = ImageOps.fit(image.convert("RGB"), THUMBNAIL, centering=(0.5, 0.3))
        return data_url(encoded(small, "JPEG", quality=80))


@cache
def samples() -> dict[str, Sample]:
    """By title, as `SOURCES.md` lists them."""
    lines = (FOLDER / "SOURCES.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    return {
        title: Sample(title, FOLDER / file.strip("`"), shows, f"{source}; {licence}")
        for file, title, shows, source, licence in rows
    }


def example_path() -> Path:
    """The photo that stands on the page before any other."""
    return next(iter(samples().values())).path


@cache
def example() -> Outcome:
    """That photo with its answer, which needs no service."""
    path = example_path()
    analysis = Analysis.model_validate_json(EXAMPLE.read_bytes())
    seconds = sum(analysis.timings_ms.values()) / 1000
    return Outcome(prepare(path.name, path.read_bytes()), Answer(analysis, seconds, 0.0, ""))

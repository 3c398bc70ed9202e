"""The crop that the page shows is the one that the network read."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from client.crops import read_crops
from client.photos import prepare
from emotion.answer import answer
from emotion.contract import STANDARD, Analysis
from emotion.errors import ImageError
from emotion.pipeline import Pipeline
from tests.conftest import analyse, encoded, photo_bytes

CLOSE = 2.5
"""Greys by which the two differ on average at most: the service samples a photo that it halved before."""


@pytest.mark.parametrize("turn", [0, 90, 270])
def test_it_is_what_the_service_cuts_out(pipeline: Pipeline, smiling: Image.Image, turn: int) -> None:
    data = encoded(smiling.rotate(turn, expand=True))
    (theirs,) = cut_out(pipeline, data)
    ours = read(data, analysed(pipeline, data))
    assert np.abs(ours[0] - theirs).mean() < CLOSE


def test_every_face_of_a_group_has_its_own(pipeline: Pipeline) -> None:
    data = photo_bytes("group")
    theirs = cut_out(pipeline, data)
    ours = read(data, analysed(pipeline, data))
    apart = [[np.abs(one - other).mean() for other in theirs] for one in ours]
    assert [int(np.argmin(row)) for row in apart] == list(range(5))
    assert max(min(row) for row in apart) < CLOSE


def test_a_face_at_the_edge_has_no_black_bar(pipeline: Pipeline, smiling: Image.Image) -> None:
    data = encoded(smiling.convert("RGB").crop((205, 0, 512, 512)))
    (ours,) = read(data, analysed(pipeline, data))
    assert ours[:, 0].mean() > 30


def cut_out(pipeline: Pipeline, data: bytes) -> list[np.ndarray]:
    prepared = pipeline._prepare(data, STANDARD)
    assert not isinstance(prepared, ImageError)
    return prepared.crops


def analysed(pipeline: Pipeline, data: bytes) -> Analysis:
    (result,) = analyse(pipeline, data)
    found = answer(result, pipeline.classifier)
    assert isinstance(found, Analysis)
    return found


def read(data: bytes, analysis: Analysis) -> list[np.ndarray]:
    urls = read_crops(prepare("photo", data).picture(), analysis.faces, analysis.turned)
    files = [base64.b64decode(url.partition(",")[2]) for url in urls]
    return [np.asarray(Image.open(io.BytesIO(file)), dtype=float) for file in files]

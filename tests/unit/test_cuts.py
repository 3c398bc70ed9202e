"""Cuts of a film are found, and what only moves is none."""

from collections.abc import Iterable
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from client.cuts import Cuts
from client.samples import FOLDER, samples

SIZE = (320, 240)


def sample(name: str) -> Image.Image:
    return Image.open(FOLDER / f"{name}.jpg").convert("RGB")


def cuts(pictures: Iterable[Image.Image]) -> list[int]:
    """The numbers of the pictures that begin another shot."""
    found, by = [], Cuts()
    for number, picture in enumerate(pictures):
        frame = av.VideoFrame.from_image(picture).reformat(format="yuv420p")  # type: ignore[no-untyped-call]
        frame.pts, frame.time_base = number, Fraction(1, 30)
        if by.is_before(frame):
            found.append(number)
    return found


def test_every_cut_between_the_samples_is_found() -> None:
    shots = [Image.open(each.path).convert("RGB").resize(SIZE) for each in samples().values()]
    assert cuts(shot for shot in shots for _ in range(3)) == [3 * number for number in range(1, len(shots))]


def test_a_picture_of_another_size_is_no_other_shot() -> None:
    """A recorded call changes it with the network."""
    assert cuts([sample("Both").resize(size) for size in (SIZE, SIZE, (160, 120), (160, 120))]) == []


def panned(step: int) -> Iterable[Image.Image]:
    """A camera that moves `step` pixels a frame, sixty frames long, at most as wide as the photo."""
    photo = sample("Both").resize((1280, 960))
    for left in range(0, min(60 * step, 1280 - 640), step):
        yield photo.crop((left, 200, left + 640, 680))


@pytest.mark.parametrize("step", [1, 8, 16])
def test_a_camera_that_moves_is_no_cut(step: int) -> None:
    assert cuts(panned(step)) == []


def test_neither_is_one_that_zooms_trembles_or_has_noise() -> None:
    photo, dice = sample("Both").resize((1280, 960)), np.random.default_rng(0)

    def trembling() -> Iterable[Image.Image]:
        for number in range(60):
            x, y = (int(each) for each in dice.integers(-6, 7, 2))
            side = 4 * number
            seen = photo.crop((side + x + 6, side + y + 6, 1268 - side + x, 948 - side + y)).resize(SIZE)
            yield Image.fromarray((np.asarray(seen) + dice.normal(0, 12, (240, 320, 3))).clip(0, 255).astype(np.uint8))

    assert cuts(trembling()) == []


def test_a_fade_is_none() -> None:
    one, other = sample("Both").resize(SIZE), sample("Photographer").resize(SIZE)
    assert cuts(Image.blend(one, other, share / 30) for share in range(31)) == []

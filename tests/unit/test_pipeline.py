"""The pipeline on real photographs."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from client.samples import EXAMPLE, example_path
from emotion.alignment import Landmarks, crop, extract_square
from emotion.contract import STAGES, STANDARD, Analysis, Detail
from emotion.detection import Detection
from emotion.errors import InvalidImage, UnsupportedFormat
from emotion.framing import Framing, frame
from emotion.labels import LABELS
from emotion.pipeline import COVERING, DETECTOR, LANDMARKS, NETWORK, Pipeline, Result
from emotion.pyramid import Pyramid
from tests.conftest import GROUP_FACES, analyse, encoded, photo_bytes, photo_path

GOLDEN = Path(__file__).parent / "golden.json"
"""What the committed model says of the photos; `python -m tests.golden` writes it anew."""


def test_a_smiling_face_is_happy(pipeline: Pipeline) -> None:
    (result,) = analyse(pipeline, photo_bytes("smiling"))
    (face,) = result.faces
    assert face.emotion == "happy"
    assert (result.width, result.height) == (512, 512)
    assert set(result.timings_ms) == set(STAGES)


def test_a_group_gives_every_face_largest_first(pipeline: Pipeline) -> None:
    (result,) = analyse(pipeline, photo_bytes("group"))
    areas = [face.detection.width * face.detection.height for face in result.faces]
    assert len(areas) == GROUP_FACES
    assert areas == sorted(areas, reverse=True)


def test_a_landscape_has_no_faces(pipeline: Pipeline) -> None:
    (result,) = analyse(pipeline, photo_bytes("landscape"))
    assert result.faces == ()


def test_the_eyes_lie_in_the_face_left_eye_left(pipeline: Pipeline) -> None:
    (result,) = analyse(pipeline, photo_bytes("group"))
    for face in result.faces:
        box, marks = face.detection, face.landmarks
        assert box.x < marks.left_eye[0] < marks.nose[0] < marks.right_eye[0] < box.x + box.width
        assert box.y < marks.left_eye[1] < marks.nose[1] < box.y + box.height


def test_probabilities_sum_to_one(pipeline: Pipeline) -> None:
    (result,) = analyse(pipeline, photo_bytes("group"))
    for face in result.faces:
        assert len(face.probabilities) == len(LABELS)
        assert sum(face.probabilities) == pytest.approx(1, abs=1e-6)
        assert face.confidence == max(face.probabilities)


def formats(smiling: Image.Image) -> dict[str, bytes]:
    deep = np.asarray(smiling).astype(np.uint16)[:, :, ::-1] * 257
    return {
        "jpeg": encoded(smiling, "JPEG", quality=95),
        "progressive": encoded(smiling, "JPEG", quality=95, progressive=True),
        "grey jpeg": encoded(smiling.convert("L"), "JPEG", quality=95),
        "cmyk": encoded(smiling.convert("CMYK"), "JPEG", quality=95),
        "grey png": encoded(smiling.convert("L")),
        "palette": encoded(smiling.quantize(256)),
        "alpha": encoded(smiling.convert("RGBA")),
        "grey alpha": encoded(smiling.convert("LA")),
        "16 bit": cv2.imencode(".png", deep)[1].tobytes(),
        "16 bit grey": cv2.imencode(".png", cv2.cvtColor(deep, cv2.COLOR_BGR2GRAY))[1].tobytes(),
    }


def test_every_format_gives_the_same_face(pipeline: Pipeline, smiling: Image.Image) -> None:
    (original,) = analyse(pipeline, photo_bytes("smiling"))
    photos = formats(smiling)
    for name, result in zip(photos, analyse(pipeline, *photos.values()), strict=True):
        (face,) = result.faces
        expected = original.faces[0]
        assert face.emotion == "happy", name
        assert face.detection.x == pytest.approx(expected.detection.x, abs=6), name
        assert face.detection.height == pytest.approx(expected.detection.height, rel=0.1), name


def test_a_batch_answers_as_one_by_one(pipeline: Pipeline) -> None:
    """Images of changing sizes share one detector; each must come out as if it were alone."""
    photos = [photo_bytes(name) for name in ("group", "smiling", "landscape", "serious", "smiling", "group")]
    together = analyse(pipeline, *photos)
    for photo, result in zip(photos, together, strict=True):
        (alone,) = analyse(pipeline, photo)
        assert [face.detection for face in result.faces] == [face.detection for face in alone.faces]
        for face, same in zip(result.faces, alone.faces, strict=True):
            assert face.probabilities == pytest.approx(same.probabilities, abs=1e-4)


def test_one_broken_image_leaves_its_neighbours_answered(pipeline: Pipeline) -> None:
    first, broken, last = pipeline([photo_bytes("smiling"), b"not an image", photo_bytes("serious")])
    assert isinstance(broken, UnsupportedFormat)
    for neighbour in (first, last):
        assert isinstance(neighbour, Result)
        assert len(neighbour.faces) == 1


def test_an_empty_batch_is_no_error(pipeline: Pipeline) -> None:
    assert pipeline([]) == []


@pytest.mark.parametrize("size", [(16, 16), (16_384, 16), (16, 16_384), (48, 48)])
def test_odd_shapes_are_no_error(pipeline: Pipeline, size: tuple[int, int]) -> None:
    (result,) = analyse(pipeline, encoded(Image.new("RGB", size, "grey")))
    assert (result.width, result.height) == size
    assert result.faces == ()


def test_small_faces_in_a_large_photo_are_found(pipeline: Pipeline) -> None:
    group = Image.open(photo_path("group"))
    small = group.resize((group.width // 3, group.height // 3))
    wall = Image.new("RGB", (1600, 1200), (90, 110, 130))
    wall.paste(small, (700, 500))
    (result,) = analyse(pipeline, encoded(wall))
    assert len(result.faces) == GROUP_FACES


def test_a_tilted_head_is_made_level(pipeline: Pipeline, smiling: Image.Image) -> None:
    (straight,) = analyse(pipeline, encoded(smiling))
    (tilted,) = analyse(pipeline, encoded(smiling.rotate(-20, center=(225, 120), resample=Image.Resampling.BICUBIC)))
    turn = tilted.faces[0].landmarks.roll - straight.faces[0].landmarks.roll
    assert turn == pytest.approx(20, abs=5)
    assert tilted.faces[0].emotion == "happy"


def test_an_unbelievable_tilt_is_ignored() -> None:
    """The crop stays upright; what is measured of the face says that its eyes are not level."""
    eyes = (10.0, 10.0), (12.0, 60.0)
    assert frame((30.0, 30.0), 60.0, *eyes).tilt == 0
    assert Landmarks(*eyes, nose=(30.0, 30.0)).roll == pytest.approx(87.7, abs=0.1)


def test_a_square_is_cut_where_it_should_be() -> None:
    """A white square on black, turned by 30 degrees, comes back level and filling the middle of the crop."""
    image = np.zeros((400, 400, 3), np.uint8)
    corners = cv2.boxPoints(((200, 180), (96, 96), 30)).round().astype(np.int32)
    cv2.fillPoly(image, [corners], (255, 255, 255))
    square = extract_square(Pyramid(image), (200, 180), side=192, tilt=30, size=48)
    assert square.shape == (48, 48)
    assert square[14:34, 14:34].min() > 250
    assert square[:10].max() == square[-10:].max() == square[:, :10].max() == square[:, -10:].max() == 0


def test_a_crop_of_the_whole_image_is_the_image() -> None:
    """With a neutral framing and level eyes, an image of 48 pixels comes back unchanged."""
    image = np.random.default_rng(1).integers(0, 256, (48, 48, 1), dtype=np.uint8).repeat(3, axis=2)
    face = Detection(x=0, y=0, width=48, height=48, confidence=1)
    level = Landmarks(left_eye=(16, 20), right_eye=(32, 20), nose=(24, 30))
    same = crop(Pyramid(image), face, level, Framing(side=1, down=0, toward_eyes=0))
    np.testing.assert_array_equal(same, image[:, :, 0])


def test_large_faces_are_averaged_not_aliased() -> None:
    checkers = (np.indices((960, 960)).sum(0) % 2 * 255).astype(np.uint8)[:, :, None].repeat(3, axis=2)
    fine = extract_square(Pyramid(checkers), (480, 480), side=384, tilt=0, size=48)
    assert abs(int(fine.min()) - 127) < 3 and abs(int(fine.max()) - 127) < 3


def test_results_are_those_of_the_committed_model(pipeline: Pipeline) -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for name, faces in golden.items():
        (result,) = analyse(pipeline, photo_bytes(name))
        assert len(result.faces) == len(faces), name
        for face, expected in zip(result.faces, faces, strict=True):
            box = face.detection
            assert [box.x, box.y, box.width, box.height] == pytest.approx(expected["box"], abs=1), name
            assert face.emotion == expected["emotion"], name
            assert face.probabilities == pytest.approx(expected["probabilities"], abs=0.02), name


def test_the_pages_example_is_what_the_model_says(pipeline: Pipeline) -> None:
    (result,) = analyse(pipeline, example_path().read_bytes())
    expected = Analysis.model_validate_json(EXAMPLE.read_bytes())
    assert (result.width, result.height) == (expected.image.width, expected.image.height)
    assert len(result.faces) == len(expected.faces)
    for face, shown in zip(result.faces, expected.faces, strict=True):
        box = face.detection
        assert [box.x, box.y, box.width, box.height] == pytest.approx(list(shown.box.model_dump().values()), abs=1)
        assert (face.emotion, face.reasons) == (shown.emotion, shown.reasons)
        assert face.probabilities == pytest.approx([shown.probabilities[label] for label in LABELS], abs=0.02)


@pytest.mark.parametrize("missing", [NETWORK, COVERING, DETECTOR, LANDMARKS])
def test_a_missing_model_file_is_named(tmp_path: Path, missing: str) -> None:
    for name in {NETWORK, COVERING, DETECTOR, LANDMARKS} - {missing}:
        (tmp_path / name).touch()
    with pytest.raises(FileNotFoundError, match=rf"{re.escape(missing)}.*make wheel"):
        Pipeline.load(tmp_path)


def test_a_network_that_fails_on_one_photo_answers_the_others(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pipeline.classify

    def classify(crops: Sequence[np.ndarray]) -> list[tuple[float, ...]]:
        if len(crops) >= GROUP_FACES:
            raise RuntimeError("as if the faces of the group were at fault")
        return whole(crops)

    monkeypatch.setattr(pipeline, "classify", classify)
    good, failed, empty = pipeline([photo_bytes(name) for name in ("smiling", "group", "landscape")])
    assert isinstance(good, Result) and len(good.faces) == 1
    assert isinstance(failed, InvalidImage)
    assert isinstance(empty, Result) and not empty.faces


def test_an_unforeseen_error_is_one_photos(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = pipeline._detector.detect

    def detect(photo: Pyramid, detail: Detail = STANDARD) -> list[Detection]:
        if (photo.height, photo.width) == (427, 640):  # the landscape
            raise RuntimeError("a photo's secret")
        return whole(photo, detail)

    monkeypatch.setattr(pipeline._detector, "detect", detect)
    good, failed, also_good = pipeline([photo_bytes(name) for name in ("smiling", "landscape", "group")])
    assert isinstance(good, Result)
    assert isinstance(also_good, Result)
    assert len(also_good.faces) == GROUP_FACES
    assert isinstance(failed, InvalidImage)
    assert re.fullmatch(r"RuntimeError in test_pipeline.py:\d+", caplog.messages[0])

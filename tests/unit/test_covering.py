"""Covered faces are noticed, and uncovered ones are not; on real photographs, with the committed network."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits

from emotion.alignment import Aligner
from emotion.covering import Covering
from emotion.detection import Detector
from emotion.image import decode_reduced
from emotion.pipeline import Pipeline, Result
from emotion.pyramid import Pyramid
from emotion.quality import LIMITS
from tests.conftest import MODEL, photo_bytes
from training import third_party
from training.covering import PLACE, CoveringNetwork, drawn, export, train
from training.covers import hair, hand, mask

PHOTOS = ("smiling", "serious", "group")


@pytest.fixture(scope="module")
def covering() -> Covering:
    return Covering(third_party.COVERING_NETWORK)


@pytest.fixture(scope="module")
def crops() -> list[np.ndarray]:
    """Of the faces in `PHOTOS`, as the networks read them."""
    detector = Detector(third_party.INT8_DETECTOR)
    aligner = Aligner(third_party.fetch(third_party.LANDMARKS))
    photos = [Pyramid(decode_reduced(photo_bytes(name), 1280).pixels) for name in PHOTOS]
    return [aligner.align(photo, face)[1] for photo in photos for face in detector.detect(photo)]


def test_uncovered_faces_are_not_marked(pipeline: Pipeline) -> None:
    results = pipeline([photo_bytes(name) for name in PHOTOS])
    shares = [face.quality.covered for result in results if isinstance(result, Result) for face in result.faces]
    assert len(shares) >= 7
    assert max(shares) < LIMITS.covered


@pytest.mark.parametrize(("cover", "strength"), [(mask, 0.6), (hand, 0.75), (hair, 0.45)], ids=["mask", "hand", "hair"])
def test_what_stands_in_front_of_real_faces_is_noticed(
    covering: Covering, crops: list[np.ndarray], cover: Callable[..., np.ndarray], strength: float
) -> None:
    """Drawn by the stress report's code, which training does not use."""
    generator = np.random.default_rng(0)
    covered = [cover(crop, strength, generator) for crop in crops for _ in range(4)]
    shares = covering.shares(covered)
    assert np.mean([share > LIMITS.covered for share in shares]) >= 0.8, np.round(shares, 2)


def test_a_photo_of_a_covered_face_says_so(pipeline: Pipeline) -> None:
    """Over HTTP the answer is made of the same."""
    photo = cv2.imdecode(np.frombuffer(photo_bytes("smiling"), np.uint8), cv2.IMREAD_COLOR)
    assert photo is not None
    (before,) = pipeline([photo_bytes("smiling")])
    assert isinstance(before, Result) and before.faces[0].reliable
    nose, box = before.faces[0].landmarks.nose, before.faces[0].detection
    left, right, bottom = round(box.x), round(box.x + box.width), round(box.y + box.height)
    outline = np.array(
        [(left, nose[1]), (nose[0], nose[1] - 8), (right, nose[1]), (right - 25, bottom), (left + 25, bottom)]
    )
    cv2.fillPoly(photo, [np.rint(outline).astype(np.int32)], (230, 215, 190))
    done, encoded = cv2.imencode(".png", photo)
    assert done
    (masked,) = pipeline([encoded.tobytes()])
    assert isinstance(masked, Result)
    assert "covered" in masked.faces[0].reasons


def test_no_crops_have_no_shares(covering: Covering) -> None:
    assert covering.shares([]) == []


@pytest.mark.parametrize("content", [b"no network", MODEL.read_bytes()], ids=["rubbish", "another network"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "covering.onnx").write_bytes(content)
    with pytest.raises(ValueError, match="make covering"):
        Covering(tmp_path / "covering.onnx")


def test_views_are_pictures_and_know_what_is_covered(grey_faces: np.ndarray) -> None:
    torch.manual_seed(0)
    faces = torch.from_numpy(grey_faces).unsqueeze(1)
    seen, share = drawn(faces)
    assert seen.shape == faces.shape and seen.min() >= 0 and seen.max() <= 255
    assert share.shape == (len(faces), 1, 48 // PLACE, 48 // PLACE)
    covered = share.mean(dim=(1, 2, 3))
    assert share.min() >= 0 and share.max() <= 1
    assert (covered == 0).any() and (covered > 0.1).any()


def test_what_is_taught_as_covered_is_what_was_drawn_over(
    grey_faces: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moved together; without damage, which would change all of a face."""
    monkeypatch.setattr("training.covering.damage", lambda faces, *_: faces)
    monkeypatch.setattr("training.covering.alter", lambda faces, _: faces)
    views = []
    for share in (0.0, 1.0):
        monkeypatch.setattr("training.covering.COVERED", share)
        torch.manual_seed(0)
        views.append(drawn(torch.from_numpy(grey_faces).unsqueeze(1)))
    (bare, nothing), (seen, covered) = views
    assert nothing.max() == 0
    changed = avg_pool2d((bare - seen).abs(), PLACE)
    assert changed[covered == 0].max() <= 1, "of 255: rounding"
    assert changed[covered > 0.9].mean() > 20


def test_a_network_learns_is_written_and_answers_as_before(grey_faces: np.ndarray, tmp_path: Path) -> None:
    faces = torch.from_numpy(grey_faces).unsqueeze(1)
    untaught, network = CoveringNetwork().eval(), train(faces, epochs=30)
    torch.manual_seed(1)
    seen, share = drawn(faces.repeat(8, 1, 1, 1))
    with torch.no_grad():
        before, after = (binary_cross_entropy_with_logits(each.places(seen), share) for each in (untaught, network))
    assert after < before - 0.1
    path = export(network, tmp_path / "covering.onnx")
    with torch.no_grad():
        expected = network(faces)
    np.testing.assert_allclose(np.array(Covering(path).shares(list(grey_faces))), expected.numpy(), atol=1e-4)
    assert str(Path(__file__).parents[2]).encode() not in path.read_bytes(), "it names this machine's folders"

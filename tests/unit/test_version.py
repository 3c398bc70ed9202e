"""The version stands in one place; everything else reads it there or is checked against it."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import emotion
from emotion.classifier import OnnxClassifier
from tests.conftest import MODEL, ROOT
from training import version
from training.artifact import load_classifier
from training.audit_table import table
from training.model_card import REPORTS, model_card

STALE = "`make version` writes it anew"


def test_images_manifests_and_documents_name_the_version() -> None:
    assert not list(version.stale(emotion.__version__)), STALE


def test_the_served_network_has_the_version() -> None:
    assert OnnxClassifier(MODEL).version == emotion.__version__, STALE


def test_make_reads_the_version() -> None:
    """`make image` and `make release` pass it on."""
    database = subprocess.run(["make", "-pnq"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    assert f"\nVERSION := {emotion.__version__}\n" in database


def test_another_version_is_written_into_every_place() -> None:
    written = version.stale("98.7.6")
    assert {str(path.relative_to(ROOT)) for path in written} == {name for name, _ in version.PLACES}
    for path, text in written.items():
        before = path.read_text(encoding="utf-8")
        assert re.sub(re.escape("98.7.6"), emotion.__version__, text) == before, "nothing else changes"


def test_a_place_that_lost_its_version_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "PLACES", (("compose.yaml", "picture: "),))
    with pytest.raises(ValueError, match=r"compose\.yaml has no version after 'picture: '"):
        version.stale("98.7.6")


def test_the_network_of_another_version_computes_the_same(tmp_path: Path, grey_faces: np.ndarray) -> None:
    for name in ("emotion.onnx", *REPORTS):
        shutil.copy(MODEL.with_name(name), tmp_path)
    (tmp_path / "weights").mkdir()
    shutil.copy(MODEL.parent / "weights" / f"emotion-{emotion.__version__}.pt", tmp_path / "weights")
    assert version.rename_model(tmp_path, "98.7.6")
    renamed, served = OnnxClassifier(tmp_path / "emotion.onnx"), OnnxClassifier(MODEL)
    assert renamed.version == "98.7.6"
    np.testing.assert_array_equal(renamed.logits(grey_faces), served.logits(grey_faces))
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["model"]["version"] == "98.7.6"
    audited = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    assert audited["model"] == "98.7.6"
    assert (tmp_path / "audit.md").read_text(encoding="utf-8") == table(audited)
    assert (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8") == model_card(tmp_path)
    assert load_classifier(tmp_path / "weights" / "emotion-98.7.6.pt").version == "98.7.6"
    assert version.rename_model(tmp_path, served.version)
    for name in ("emotion.onnx", "audit.json", "stress.json", "stress-photographs.json"):
        assert (tmp_path / name).read_bytes() == MODEL.with_name(name).read_bytes(), "and back"

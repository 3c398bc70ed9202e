"""Write a version everywhere it stands: in `emotion/__init__.py`, and in files that cannot read it from there.

    python -m training.version 2.2.0

Images, manifests and documents name it, and so does the served network, whose weights stay as they are. The Makefile
and the wheel read `emotion/__init__.py` themselves. Without an argument, the present version is written.
"""

import argparse
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import onnx

import emotion
from training import audit_table, stress, stress_photographs
from training.artifact import load_artifact, save_artifact
from training.model_card import MODEL_STORE, model_card, reports

ROOT = Path(__file__).resolve().parent.parent

VERSION = r"\d+\.\d+\.\d+"

PLACES = (
    ("emotion/__init__.py", r'__version__ = "'),
    ("compose.yaml", r"image: emotion-\w+:"),
    ("k8s/base/kustomization.yaml", r"newTag: "),
    ("k8s/overlays/prod/kustomization.yaml", r"newTag: "),
    ("k8s/overlays/bulk/kustomization.yaml", r"newTag: "),
    ("k8s/README.md", r"emotion-(?:server|client|bulk|\$part):|newTag: "),
    ("README.md", r'"name": "emotion", "version": "|emotion_detection-'),
)
"""Text files, and what stands before the version in each."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a version everywhere it stands.")
    parser.add_argument("version", nargs="?", default=emotion.__version__)
    version = parser.parse_args().version
    if not re.fullmatch(VERSION, version):
        parser.error(f"the version is {version!r}; expected three numbers, as in 2.2.0")
    for path, text in stale(version).items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
    if rename_model(MODEL_STORE, version):
        print(MODEL_STORE.relative_to(ROOT))


def stale(version: str) -> dict[Path, str]:
    """The text files that do not say `version`, and the text that they should have.

    Raises `ValueError` when a file no longer names a version where it is expected.
    """
    changed = {}
    for name, before in PLACES:
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        written, count = re.subn(f"({before}){VERSION}", rf"\g<1>{version}", text)
        if not count:
            raise ValueError(f"{name} has no version after {before!r}; correct training.version.PLACES")
        if written != text:
            changed[path] = written
    return changed


def rename_model(folder: Path, version: str) -> bool:
    """Give the served network and its reports in `folder` another version; returns whether that changed them.

    The weights stay, so the measurements in the reports do too; only the file's hash and size change. The kept weights
    are copied under the new version.
    """
    path = folder / "emotion.onnx"
    model = onnx.load(path)
    (entry,) = (entry for entry in model.metadata_props if entry.key == "version")
    if entry.value == version:
        return False
    old, entry.value = entry.value, version
    onnx.save(model, path)
    weights = folder / "weights"
    if (kept := weights / f"emotion-{old}.pt").is_file():
        save_artifact(replace(load_artifact(kept), version=version), weights / f"emotion-{version}.pt")
    report, compression, damaged, photographs, audited = reports(folder)
    damaged["model"]["version"] = photographs["model"]["version"] = audited["model"] = version
    audit_table.write(audited, folder / "audit.json")
    stress.write(damaged, folder)
    stress_photographs.write(photographs, folder)
    report["model"] |= {"version": version, "sha256": [hashlib.sha256(path.read_bytes()).hexdigest()]}
    compression["points"][compression["shipped"]]["bytes"] = path.stat().st_size
    for name, content in (("report.json", report), ("compression.json", compression)):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (folder / "MODEL_CARD.md").write_text(model_card(folder), encoding="utf-8")
    return True


if __name__ == "__main__":
    main()

"""Build the TorchServe archive `model_store/emotion.mar`.

python -m training.package [--model model_store/emotion.onnx] [--out model_store/emotion.mar]
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from emotion.classifier import OnnxClassifier
from training import third_party

ROOT = Path(__file__).resolve().parent.parent
HANDLER = ROOT / "handler"
BESIDE = ("connections.py", "forms.py", "tracing.py")
"""What of it `emotion_handler.py` imports."""
MODEL = ROOT / "model_store" / "emotion.onnx"
ARCHIVE = ROOT / "model_store" / "emotion.mar"

NOT_SERVED = ("__pycache__", "__main__.py", "drawing.py", "openapi.py")
"""Parts of the package `emotion` that the service does not need."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the TorchServe archive.")
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--out", type=Path, default=ARCHIVE)
    arguments = parser.parse_args()
    try:
        package(arguments.model, arguments.out)
    except (FileNotFoundError, ValueError, third_party.VerificationError) as error:
        sys.exit(f"error: {error}")
    print(f"{arguments.out} ({arguments.out.stat().st_size / 1e6:.1f} MB)")


def package(model: Path, out: Path) -> None:
    """Archive the handler, the pipeline, the weights and the verified third-party models into `out`."""
    classifier = OnnxClassifier(model)
    detector = third_party.INT8_DETECTOR
    landmarks = third_party.fetch(third_party.LANDMARKS)
    with tempfile.TemporaryDirectory(prefix="emotion-mar-") as scratch:
        root = Path(scratch) / "root"
        shutil.copytree(ROOT / "emotion", root / "emotion", ignore=shutil.ignore_patterns(*NOT_SERVED))
        (root / "handler").mkdir()
        for name in BESIDE:
            shutil.copy(HANDLER / name, root / "handler")
        command = [str(Path(sys.executable).with_name("torch-model-archiver")), "--force"]
        command += ["--model-name", classifier.name, "--version", classifier.version]
        command += ["--handler", str(HANDLER / "emotion_handler.py"), "--serialized-file", str(model)]
        command += ["--config-file", str(HANDLER / "model-config.yaml")]
        command += [
            "--extra-files",
            f"{root},{third_party.COVERING_NETWORK},{detector},{landmarks}",
            "--export-path",
            scratch,
        ]
        subprocess.run(command, check=True)
        shutil.move(Path(scratch) / f"{classifier.name}.mar", out)


if __name__ == "__main__":
    main()

"""Write `unit/golden.json` and the page's example anew, after a new model: `python -m tests.golden`."""

import json

from client.samples import EXAMPLE, example_path
from emotion.answer import answer
from emotion.classifier import OnnxClassifier
from tests.conftest import MODEL, analyse, photo_bytes
from tests.unit.test_pipeline import GOLDEN
from training import third_party


def main() -> None:
    classifier = OnnxClassifier(MODEL)
    pipeline = third_party.load_pipeline(classifier)
    golden = {}
    for name in ("smiling", "serious", "group", "landscape"):
        (result,) = analyse(pipeline, photo_bytes(name))
        golden[name] = [
            {
                "box": [round(getattr(face.detection, side), 1) for side in ("x", "y", "width", "height")],
                "emotion": face.emotion,
                "probabilities": [round(value, 4) for value in face.probabilities],
            }
            for face in result.faces
        ]
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")
    (result,) = analyse(pipeline, example_path().read_bytes())
    EXAMPLE.write_text(answer(result, classifier).model_dump_json(indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""The same pipeline behind LitServe, which batches and keeps workers as TorchServe does here.

    python -m bench.peers.litserve_server --port 18090 --workers 2 --batch 4 --delay 0.001

Runs in an environment of its own, which `make bench-peers` makes.
"""

import argparse
from pathlib import Path
from typing import Annotated, Any

import litserve  # type: ignore[import-not-found]
from fastapi import Body  # type: ignore[import-not-found]

from emotion.alignment import Aligner
from emotion.answer import answer
from emotion.classifier import OnnxClassifier
from emotion.covering import Covering
from emotion.detection import Detector
from emotion.pipeline import COVERING, DETECTOR, LANDMARKS, NETWORK, Pipeline

MODELS = Path("model_store")


class EmotionAPI(litserve.LitAPI):  # type: ignore[misc]
    """Photos that wait together are one call of the pipeline."""

    def setup(self, device: str) -> None:
        """Load the pipeline in a worker."""
        self.pipeline = Pipeline(
            OnnxClassifier(MODELS / NETWORK),
            Detector(MODELS / DETECTOR),
            Aligner(MODELS / "third_party" / LANDMARKS),
            Covering(MODELS / COVERING),
        )
        self.pipeline.warm_up()

    def decode_request(self, request: Annotated[bytes, Body()]) -> bytes:
        """The photo: FastAPI reads the annotation, and hands over a body that is not JSON as it is."""
        return request

    def predict(self, photos: list[bytes]) -> list[Any]:
        """A result for each photo."""
        return self.pipeline(photos)

    def encode_response(self, output: Any) -> Any:
        """The service's own answer."""
        return answer(output, self.pipeline.classifier).model_dump(mode="json")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--delay", type=float, required=True, help="seconds that a lone photo waits for others")
    arguments = parser.parse_args()
    api = EmotionAPI(max_batch_size=arguments.batch, batch_timeout=arguments.delay)
    server = litserve.LitServer(api, accelerator="cpu", devices=1, workers_per_device=arguments.workers)
    server.run(host="127.0.0.1", port=arguments.port, log_level="warning", generate_client_file=False)


if __name__ == "__main__":
    main()

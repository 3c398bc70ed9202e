"""deepface's own REST API for gunicorn, with random weights where its own cannot be had.

    gunicorn --bind 127.0.0.1:18091 "bench.peers.deepface_server:create_app()"

Runs in an environment of its own, which `make bench-peers` makes. Random weights take as long as trained ones; the
answers mean nothing. `WEIGHTS` names the file to which is written which of them are in use.
"""

import os
from pathlib import Path
from typing import Any

from deepface.api.src.app import create_app as deepface_app  # type: ignore[import-not-found]
from deepface.commons import weight_utils  # type: ignore[import-not-found]
from deepface.modules import modeling  # type: ignore[import-not-found]


def create_app() -> Any:
    """The Flask application, its emotion network built."""
    weights = "its own weights"
    try:
        modeling.build_model(task="facial_attribute", model_name="Emotion")
    except Exception:  # it has no exception of its own for an address that cannot be reached
        weights = "random weights"
        weight_utils.download_weights_if_necessary = lambda **_: ""
        weight_utils.load_model_weights = lambda model, **_: model
        modeling.build_model(task="facial_attribute", model_name="Emotion")
    Path(os.environ["WEIGHTS"]).write_text(weights, encoding="utf-8")
    return deepface_app()

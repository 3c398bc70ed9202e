"""Faces in a photo and the emotion each one shows: decode, detect, align, classify.

    from emotion import Pipeline

    pipeline = Pipeline.load()
    (result,) = pipeline([Path("photo.jpg").read_bytes()])

The package imports nothing else of this project and knows nothing of TorchServe; every other part may import it, so
that training, the service and the wheel share one preprocessing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotion.pipeline import Pipeline

__version__ = "2.3.0"
__all__ = ["Pipeline"]


def __getattr__(name: str) -> Any:
    # A client that only wants `emotion.contract` or `emotion.labels` must not pay for OpenCV and ONNX Runtime.
    if name == "Pipeline":
        from emotion.pipeline import Pipeline  # noqa: PLC0415

        return Pipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

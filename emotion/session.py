"""A network in ONNX Runtime, as all of them run here."""

from pathlib import Path

import onnxruntime


def session(model: Path, remedy: str, *, any_size: bool = False) -> onnxruntime.InferenceSession:
    """The network in the file `model`, on one CPU thread.

    `any_size`: it is shown pictures of many sizes. Raises `ValueError`, with the `remedy`, when it cannot be loaded.
    """
    options = onnxruntime.SessionOptions()
    # Processes scale over the cores; threads in one process only get in each other's way.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = not any_size  # one plan would be kept for each shape ever seen
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no base class
        raise ValueError(f"{model.name}: ONNX Runtime cannot load it; {remedy}") from error

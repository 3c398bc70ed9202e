"""From a trained PyTorch network to the ONNX file that is served, in fp32 or in int8."""

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from emotion.classifier import FORMAT
from emotion.labels import INPUT_SIZE, LABELS
from training.artifact import Artifact

INPUT, OUTPUT = "faces", "logits"
OPSET = 20

CALIBRATION_FACES, CALIBRATION_BATCH = 512, 64
"""Training faces whose activations set the int8 ranges."""

PERCENTILE = 99.999
"""Of the activations, at which the ranges end. Of 3,000 other training faces, half of them damaged, 2.3.0 answered
99.4 % as in fp32; with the smallest and the largest activation as ends, 98.8 %; with these averaged over batches,
99.1 %."""


def export_fp32(artifact: Artifact, path: Path) -> Path:
    """Write `artifact` as ONNX: `faces` uint8 `[N, 1, 48, 48]` in, `logits` float32 `[N, 7]` out; returns `path`."""
    write_onnx(artifact.network.eval().cpu(), path, OUTPUT)
    describe(path, artifact, "fp32")
    return path


def write_onnx(network: nn.Module, path: Path, output: str) -> None:
    """Write a network of any number of faces, uint8 `[N, 1, 48, 48]`, as ONNX; `output` names what it answers."""
    example = torch.zeros((2, 1, INPUT_SIZE, INPUT_SIZE), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own use of deprecated functions
        torch.onnx.export(
            network,
            (example,),
            path,
            input_names=[INPUT],
            output_names=[output],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def export_int8(artifact: Artifact, faces: np.ndarray, path: Path) -> Path:
    """Write `artifact` as ONNX quantized after training; returns `path`.

    `faces`: grey training faces uint8 `[N, 48, 48]`; the first `CALIBRATION_FACES` set the activations' ranges.
    """
    with tempfile.TemporaryDirectory(prefix="emotion-int8-") as scratch:
        whole, prepared = Path(scratch) / "fp32.onnx", Path(scratch) / "prepared.onnx"
        export_fp32(artifact, whole)
        quant_pre_process(whole, prepared)  # folds batch normalization into the convolutions
        batches = range(0, min(len(faces), CALIBRATION_FACES), CALIBRATION_BATCH)
        inputs = ({INPUT: faces[start : start + CALIBRATION_BATCH, None]} for start in batches)
        quantize(prepared, path, inputs, [*_slower_in_int8(prepared), *_head(prepared)], percentile=PERCENTILE)
    describe(path, artifact, "int8")
    return path


def quantize(  # noqa: PLR0913
    source: Path,
    out: Path,
    inputs: Iterator[dict[str, np.ndarray]],
    excluded: list[str],
    *,
    percentile: float = 100.0,
    reduce_range: bool = False,
) -> None:
    """Quantize the ONNX network in `source` after training.

    Activations are unsigned and weights signed, one scale a channel, as quantize-dequantize pairs (Jacob et al. 2018).
    `inputs` set the activations' ranges, which end at `percentile` of them. `excluded`: names of nodes that stay in
    fp32. `reduce_range`: weights of 7 bits.
    """
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises a preprocessing that is done already
    try:
        quantize_static(
            source,
            out,
            _Inputs(inputs),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=reduce_range,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=excluded,
            **_ranges(percentile),
        )
    finally:
        root.setLevel(level)


def _ranges(percentile: float) -> dict[str, Any]:
    if percentile == 100:
        return {"calibrate_method": CalibrationMethod.MinMax}
    return {"calibrate_method": CalibrationMethod.Percentile, "extra_options": {"CalibPercentile": percentile}}


def describe(path: Path, artifact: Artifact, precision: str) -> None:
    """Write the metadata that `emotion.classifier.OnnxClassifier` reads, and remove what names this machine."""
    model = anonymous(onnx.load(path))
    onnx.helper.set_model_props(
        model,
        {
            "format": FORMAT,
            "name": artifact.name,
            "version": artifact.version,
            "labels": json.dumps(LABELS),
            "temperature": repr(artifact.temperature),
            "precision": precision,
            "training": json.dumps(artifact.training),
        },
    )
    onnx.checker.check_model(model)
    onnx.save(model, path)


def anonymous(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` without what the exporter notes: source lines, with this machine's paths."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    return model


def _slower_in_int8(path: Path) -> list[str]:
    """The first convolution, which has a single input channel; none if pooling follows it closely, because fp32 would
    then keep the pooling out of the runtime's fast layout."""
    nodes = onnx.load(path).graph.node
    first = next(node for node in nodes if node.op_type == "Conv")
    readers = [node for node in nodes if set(node.input) & set(first.output)]
    readers += [node for node in nodes for reader in readers if set(node.input) & set(reader.output)]
    return [] if any(node.op_type == "MaxPool" for node in readers) else [first.name]


def _head(path: Path) -> list[str]:
    """The linear layer: next to no work, and in int8 its logits come in steps, which flips near ties."""
    return [node.name for node in onnx.load(path).graph.node if node.op_type == "Gemm"]


class _Inputs(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, inputs: Iterator[dict[str, np.ndarray]]) -> None:
        self._inputs = inputs

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._inputs, None)

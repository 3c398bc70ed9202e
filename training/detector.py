"""Build the int8 detector `model_store/centerface-int8.onnx` from the verified CenterFace, and compare the two.

    python -m training.detector [--out model_store/centerface-int8.onnx] [--check]

The network is first put into a shape that 8 bits suit, with the same results: transposed convolutions, whose kernels do
not overlap, become plain ones followed by a rearrangement; batch normalization is folded; the three heads that are used
become one; the sigmoid and the landmarks go. It then reads the image's bytes as they are. Activations are unsigned and
weights signed and 7 bits wide: with 8, processors without VNNI instructions overflow in 16 bits and lose a fifth of
their confidence. Half a minute; the result is committed, so that no other build needs to do it, and `--check` only
prints the table of fp32 beside int8 (docs/detector.md).
"""

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from emotion.detection import padded
from emotion.pyramid import Pyramid
from training import photographs, third_party
from training.export import quantize

OUT = Path(__file__).resolve().parent.parent / "model_store" / "centerface-int8.onnx"

OPSET, IR_VERSION = 17, 8
HEAT, LOG_SIZES, OFFSETS = "536", "538", "539"
"""Outputs of CenterFace's heads that are used; the first one is the heat map before its sigmoid."""

DROPPED = ("537", "540")
"""The sigmoid and the landmarks: dlib's are steadier."""

CALIBRATION_LOOKS = (192, 256, 384)
"""Long sides at which each photograph sets the ranges of the activations."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--check", action="store_true", help="only compare what is there with fp32")
    arguments = parser.parse_args()
    try:
        source = third_party.fetch(third_party.CENTERFACE)
        if not arguments.check:
            build(source, arguments.out)
            print(f"{arguments.out} ({arguments.out.stat().st_size / 1e6:.1f} MB)")
        print(f"SHA-256 {hashlib.sha256(arguments.out.read_bytes()).hexdigest()}\n")
        from training.detector_table import print_table  # noqa: PLC0415

        print_table(arguments.out)
    except (third_party.VerificationError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")


def build(source: Path, out: Path) -> None:
    """Write `source`, CenterFace as published, in int8 to `out`.

    In: `image`, BGR uint8 `[N, height, width, 3]`, sides multiples of 32. Out: `maps`, float32
    `[N, 5, height/4, width/4]`:
    logits of the heat map, logarithms of height and width, offsets down and right.
    """
    with tempfile.TemporaryDirectory(prefix="emotion-detector-") as scratch:
        whole = Path(scratch) / "fp32.onnx"
        onnx.save(rearranged(source), whole)
        quantize(whole, out, _inputs(photographs.with_people().values()), ["heads"], reduce_range=True)
    onnx.save(_reading_bytes(onnx.load(out)), out)


def rearranged(source: Path) -> onnx.ModelProto:
    """CenterFace with the same results in fp32: `planes`, float32 BGR `[N, 3, height, width]` in, `maps` out."""
    published = onnx.load(source)
    arrays = {item.name: numpy_helper.to_array(item) for item in published.graph.initializer}
    nodes = list(published.graph.node)
    made = _Graph()
    skipped: set[str] = set()
    for node in nodes:
        name = node.output[0]
        if name in (HEAT, LOG_SIZES, OFFSETS, *DROPPED) or name in skipped:
            continue
        if node.op_type == "Conv":
            weights = arrays[node.input[1]]
            if node.input[0] == published.graph.input[0].name:
                weights = weights[:, ::-1]  # published for RGB, reads BGR
            attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
            source_name = "planes" if node.input[0] == published.graph.input[0].name else node.input[0]
            made.convolve(source_name, name, weights, arrays[node.input[2]], **attributes)
        elif node.op_type == "ConvTranspose":
            normalized = next(other for other in nodes if other.input[0] == name)
            rectified = next(other for other in nodes if other.input[0] == normalized.output[0])
            skipped |= {normalized.output[0], rectified.output[0]}
            weights, bias = _folded(node, normalized, arrays)
            made.convolve(node.input[0], name, weights, bias)
            made.add("Relu", [name], f"{name}_rectified")
            made.add("DepthToSpace", [f"{name}_rectified"], rectified.output[0], blocksize=2, mode="DCR")
        else:
            made.add(node.op_type, list(node.input), name)
    heads = [next(node for node in nodes if node.output[0] == name) for name in (HEAT, LOG_SIZES, OFFSETS)]
    made.convolve(
        heads[0].input[0],
        "maps",
        np.concatenate([arrays[head.input[1]] for head in heads]),
        np.concatenate([arrays[head.input[2]] for head in heads]),
        node_name="heads",
    )
    return made.model()


def _folded(
    node: onnx.NodeProto, normalized: onnx.NodeProto, arrays: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """A transposed 2×2 convolution of stride 2 with its batch normalization, as weights and bias of a 1×1 one.

    Its output channel `(2 y + x) C + c` is channel `c` of the pixel at row `y`, column `x` of each 2×2 block.
    """
    weights = arrays[node.input[1]].astype(np.float64)  # [in, out, 2, 2]
    gain, shift, mean, variance = (arrays[name].astype(np.float64) for name in normalized.input[1:5])
    epsilon = next(item.f for item in normalized.attribute if item.name == "epsilon")
    factor = gain / np.sqrt(variance + epsilon)
    bias = arrays[node.input[2]] if len(node.input) > 2 else np.zeros_like(mean)
    spread = (weights * factor[None, :, None, None]).transpose(2, 3, 1, 0).reshape(-1, weights.shape[0], 1, 1)
    return spread, np.tile((bias - mean) * factor + shift, 4)


class _Graph:
    """Nodes and weights of a network that is being put together."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self._nodes.append(helper.make_node(kind, inputs, [output], name=f"{kind}_{output}", **attributes))

    def convolve(
        self,
        source: str,
        output: str,
        weights: np.ndarray,
        bias: np.ndarray,
        node_name: str | None = None,
        **attributes: Any,
    ) -> None:
        names = [f"{output}_weights", f"{output}_bias"]
        for name, array in zip(names, (weights, bias), strict=True):
            self._weights.append(numpy_helper.from_array(np.ascontiguousarray(array, dtype=np.float32), name))
        node = helper.make_node(
            "Conv", [source, *names], [output], name=node_name or f"Conv_{output}", **(attributes or {"group": 1})
        )
        self._nodes.append(node)

    def model(self) -> onnx.ModelProto:
        planes = helper.make_tensor_value_info("planes", TensorProto.FLOAT, ["count", 3, "height", "width"])
        maps = helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["count", 5, "rows", "columns"])
        graph = helper.make_graph(self._nodes, "centerface", [planes], [maps], self._weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        return onnx.shape_inference.infer_shapes(model)


def _reading_bytes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The quantized network with the image's own bytes as its first 8-bit activation."""
    graph = model.graph
    quantized = next(node for node in graph.node if node.input[0] == "planes")
    restored = next(node for node in graph.node if node.input[0] == quantized.output[0])
    for node in (quantized, restored):
        graph.node.remove(node)
    for item in [item for item in graph.initializer if item.name in quantized.input]:
        graph.initializer.remove(item)
    graph.initializer.append(numpy_helper.from_array(np.array(1, np.float32), "byte_scale"))
    graph.initializer.append(numpy_helper.from_array(np.array(0, np.uint8), "byte_zero"))
    bytes_in = helper.make_node("Transpose", ["image"], ["bytes"], name="planes", perm=[0, 3, 1, 2])
    scaled = helper.make_node(
        "DequantizeLinear", ["bytes", "byte_scale", "byte_zero"], [restored.output[0]], name="bytes_as_numbers"
    )
    graph.node.insert(0, bytes_in)
    graph.node.insert(1, scaled)
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.UINT8, ["count", "height", "width", 3]))
    onnx.checker.check_model(model)
    return model


def _inputs(images: Iterable[np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    for image in images:
        for long_side in CALIBRATION_LOOKS:
            looked_at = padded(Pyramid(image).scaled(long_side))
            yield {"planes": looked_at.transpose(2, 0, 1)[None].astype(np.float32)}


if __name__ == "__main__":
    main()

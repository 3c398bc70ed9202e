"""Read the served int8 network back into an artifact that training can begin from.

    python -m training.recovery --data fer2013.csv.gz

Quantized weights become floating point again. Batch normalization, which was folded into the convolutions (Jacob et al.
2018, section 3.2), is put back with the mean and the standard deviation of training faces, scaled so that the network
computes what it did before. What rounding to 8 bits lost stays lost.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from training.artifact import Artifact, save_artifact
from training.data import DataError, load_splits
from training.network import EmotionNetwork, NetworkConfig

FACES = 512
"""Training faces whose statistics batch normalization gets."""

DROPOUT = 0.3
"""As in the recipes that the served network came from; the file does not record it."""


def main() -> None:
    arguments = _parse_arguments()
    try:
        faces = load_splits(arguments.data, ("train",))["train"].images
        chosen = np.random.default_rng(0).permutation(len(faces))[:FACES]
        artifact = recover(arguments.model, faces[chosen])
    except (DataError, FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}")
    out = arguments.out or arguments.model.parent / "weights" / f"{artifact.name}-{artifact.version}.pt"
    out.parent.mkdir(parents=True, exist_ok=True)
    save_artifact(artifact, out)
    print(f"{out}: score it with `make evaluate SPLIT=validation DATA=… MODEL={out}`")


def recover(path: Path, faces: np.ndarray) -> Artifact:
    """The network in the ONNX file `path`, fp32 or int8, as `training.export` writes it.

    `faces`: grey training faces uint8 `[N, 48, 48]`. Raises `ValueError` for a file that is not one of these.
    """
    model = onnx.load(path)
    layers = _read(model.graph)
    network = EmotionNetwork(NetworkConfig(layers.stages, DROPOUT, layers.pixel_mean, layers.pixel_std))
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    normalizations = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    with torch.no_grad():
        for convolution, (weight, _) in zip(convolutions, layers.convolutions, strict=True):
            convolution.weight.copy_(torch.from_numpy(weight))
        network.head.weight.copy_(torch.from_numpy(layers.head[0]))
        network.head.bias.copy_(torch.from_numpy(layers.head[1]))
        biases = [torch.from_numpy(bias) for _, bias in layers.convolutions]
        _put_normalization_back(network, list(zip(normalizations, biases, strict=True)), faces)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    return Artifact(
        network=network.eval(),
        temperature=float(properties["temperature"]),
        version=properties["version"],
        name=properties["name"],
        training={"recovered_from": properties["precision"], "origin": json.loads(properties["training"])},
    )


@dataclass(frozen=True)
class _Layers:
    """`convolutions`: weight `[out, in, 3, 3]` and bias `[out]` of each; `head`: `[7, in]` and `[7]`."""

    stages: tuple[tuple[int, ...], ...]
    convolutions: list[tuple[np.ndarray, np.ndarray]]
    head: tuple[np.ndarray, np.ndarray]
    pixel_mean: float
    pixel_std: float


def _read(graph: onnx.GraphProto) -> _Layers:
    constants = {each.name: numpy_helper.to_array(each).copy() for each in graph.initializer}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in constants:
            stored, scale, zero = (constants[name] for name in node.input)
            shape = (-1,) + (1,) * (stored.ndim - 1)  # a scale for each output channel
            difference = stored.astype(np.float64) - zero.astype(np.float64).reshape(shape)
            constants[node.output[0]] = (difference * scale.reshape(shape)).astype(np.float32)
    stages: list[list[int]] = [[]]
    convolutions, pixels, head = [], {}, None
    for node in graph.node:
        if node.op_type == "Conv":
            weight, bias = constants[node.input[1]], constants[node.input[2]]
            convolutions.append((weight, bias))
            stages[-1].append(len(weight))
        elif node.op_type == "MaxPool":
            stages.append([])
        elif node.op_type in ("Sub", "Div"):
            pixels[node.op_type] = float(constants[node.input[1]])
        elif node.op_type == "Gemm":
            head = constants[node.input[1]], constants[node.input[2]]
    if head is None or set(pixels) != {"Sub", "Div"}:
        raise ValueError("this is not a network that training.export wrote")
    widths = tuple(tuple(stage) for stage in stages)
    return _Layers(widths, convolutions, head, round(pixels["Sub"], 4), round(pixels["Div"], 4))


def _put_normalization_back(
    network: EmotionNetwork, layers: list[tuple[nn.BatchNorm2d, torch.Tensor]], faces: np.ndarray
) -> None:
    """From the first layer to the last, as each needs the outputs before it; `layers` has the folded biases `[out]`."""

    def scale_back(normalization: nn.BatchNorm2d, bias: torch.Tensor) -> None:
        def measure(module: nn.Module, inputs: tuple[torch.Tensor]) -> None:
            variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3))
            normalization.running_mean, normalization.running_var = mean, variance
            normalization.weight.copy_((variance + normalization.eps).sqrt())
            normalization.bias.copy_(mean + bias)

        handle = normalization.register_forward_pre_hook(measure)
        handles.append(handle)

    handles: list[torch.utils.hooks.RemovableHandle] = []
    network.eval()
    # Each hook sets its layer just before the layer runs, so one pass is enough.
    for normalization, bias in layers:
        scale_back(normalization, bias)
    network(torch.from_numpy(faces).unsqueeze(1))
    for handle in handles:
        handle.remove()


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv, fer2013.csv.gz or icml_face_data.csv")
    parser.add_argument("--model", type=Path, default=Path("model_store/emotion.onnx"))
    parser.add_argument("--out", type=Path, help="default: weights/<name>-<version>.pt beside the model")
    return parser.parse_args()


if __name__ == "__main__":
    main()

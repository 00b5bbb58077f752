"""Builds the graph of CAM++, which makes of speech a vector that is alike where the voice is the same.

The network is that of 3D-Speaker (https://arxiv.org/abs/2303.00332): a small residual network over time and
frequency, then densely connected layers over time, each with a mask that it makes of its context.
"""

from typing import Final

import numpy as np

from engines.weights.diarization.graph import Array, CompactGraph

BANDS: Final = 80  # Of the spectrum.
SIZE: Final = 192  # Of the vector of a voice.
BLOCKS: Final = ((12, 1), (24, 2), (16, 2))  # Layers and dilation of each dense block.
CONTEXT: Final = 100  # Frames over which a layer's context is averaged, beside that of the whole.
EPSILON: Final = 1e-5  # What torch's batch norm adds to a variance.
IN_BYTES: Final = tuple(f"xvector.{part}{number}." for part in ("block", "transit") for number in (2, 3))
"""The parts whose matrices are stored in 8 bits: they have most of the weights, and lose least by it."""


def campplus_graph(w: dict[str, Array]) -> bytes:
    """The file: input `features` [voices, frames, 80], output `embedding` [voices, 192]."""
    writer = CampplusWriter(w)
    x = writer.graph.add("Transpose", "features", perm=[0, 2, 1])
    x = writer.residual_network(x)
    x = writer.conv(x, "xvector.tdnn.linear", "xvector.tdnn.nonlinear.batchnorm", strides=[2], pads=[2, 2])
    x = writer.graph.add("Relu", x)
    for number, (layers, dilation) in enumerate(BLOCKS, 1):
        x = writer.dense_block(x, f"xvector.block{number}", layers, dilation)
        x = writer.conv(
            writer.norm(x, f"xvector.transit{number}.nonlinear"), f"xvector.transit{number}.linear"
        )
    writer.statistics(writer.norm(x, "xvector.out_nonlinear"))
    return writer.graph.serialize(("features", ["voices", "frames", BANDS]), ("embedding", ["voices", SIZE]))


class CampplusWriter:
    """Writes the parts of the network with one set of weights.

    A batch norm behind a convolution becomes part of it.
    """

    def __init__(self, weights: dict[str, Array]) -> None:
        self.graph = CompactGraph()
        self._w = weights

    def residual_network(self, x: str) -> str:
        """Features [voices, 320, frames] of a spectrum [voices, 80, frames]."""
        add = self.graph.add
        x = add("Relu", self._conv2d(add("Unsqueeze", x, self.graph.ints(1)), "head.conv1", "head.bn1"))
        for layer, stride in (("layer1.0", 2), ("layer1.1", 1), ("layer2.0", 2), ("layer2.1", 1)):
            x = self._residual_block(x, f"head.{layer}", stride)
        x = add("Relu", self._conv2d(x, "head.conv2", "head.bn2", stride=2))
        return add("Reshape", x, self.graph.ints(0, 32 * BANDS // 8, -1))

    def _residual_block(self, x: str, path: str, stride: int) -> str:
        add = self.graph.add
        y = add("Relu", self._conv2d(x, f"{path}.conv1", f"{path}.bn1", stride))
        y = self._conv2d(y, f"{path}.conv2", f"{path}.bn2")
        if stride > 1:
            x = self._conv2d(x, f"{path}.shortcut.0", f"{path}.shortcut.1", stride)
        return add("Relu", add("Add", y, x))

    def _conv2d(self, x: str, path: str, norm: str, stride: int = 1) -> str:
        weight, bias = self._folded(path, norm)
        pad = weight.shape[-1] // 2
        return self.graph.add(
            "Conv", x, self.graph.in_16_bits(weight), self.graph.constant(bias),
            strides=[stride, 1], pads=[pad] * 4,
        )  # fmt: skip

    def conv(self, x: str, path: str, norm: str | None = None, **attributes: object) -> str:
        """A convolution over time, with the batch norm behind it."""
        weight, bias = self._w[f"{path}.weight"], self._w.get(f"{path}.bias")
        if norm is not None:
            weight, bias = self._folded(path, norm)
        stored = self.graph.in_8_bits(weight) if path.startswith(IN_BYTES) else self.graph.in_16_bits(weight)
        biases = [] if bias is None else [self.graph.constant(bias)]
        return self.graph.add("Conv", x, stored, *biases, **attributes)

    def dense_block(self, x: str, path: str, layers: int, dilation: int) -> str:
        """Layers of which each sees what all before it made."""
        for number in range(1, layers + 1):
            layer = f"{path}.tdnnd{number}"
            y = self.norm(x, f"{layer}.nonlinear1")
            y = self.graph.add("Relu", self.conv(y, f"{layer}.linear1", f"{layer}.nonlinear2.batchnorm"))
            x = self.graph.add("Concat", x, self._masked(y, f"{layer}.cam_layer", dilation), axis=1)
        return x

    def _masked(self, x: str, path: str, dilation: int) -> str:
        add = self.graph.add
        y = self.conv(x, f"{path}.linear_local", dilations=[dilation], pads=[dilation, dilation])
        context = add("Add", add("ReduceMean", x, axes=[-1], keepdims=1), self._average(x))
        mask = self.conv(add("Relu", self.conv(context, f"{path}.linear1")), f"{path}.linear2")
        return add("Mul", y, add("Sigmoid", mask))

    def _average(self, x: str) -> str:
        """For each frame the average of the 100 frames among which it is."""
        add, ints = self.graph.add, self.graph.ints
        pooled = add("AveragePool", x, kernel_shape=[CONTEXT], strides=[CONTEXT], ceil_mode=1)
        spread = add("Expand", add("Unsqueeze", pooled, ints(-1)), ints(1, 1, 1, CONTEXT))
        spread = add("Reshape", spread, ints(0, 0, -1))
        frames = add("Slice", add("Shape", x), ints(2), ints(3))
        return add("Slice", spread, ints(0), frames, ints(2))

    def norm(self, x: str, path: str) -> str:
        """A batch norm and a ReLU before a convolution."""
        scale, shift = self._scale_and_shift(f"{path}.batchnorm")
        scaled = self.graph.add("Mul", x, self.graph.constant(scale[:, None].astype(np.float32)))
        shifted = self.graph.add("Add", scaled, self.graph.constant(shift[:, None].astype(np.float32)))
        return self.graph.add("Relu", shifted)

    def statistics(self, x: str) -> str:
        """The vector of a voice, of mean and deviation of the features over time."""
        add, ints = self.graph.add, self.graph.ints
        mean = add("ReduceMean", x, axes=[-1], keepdims=1)
        away = add("Sub", x, mean)
        squares = add("ReduceSum", add("Mul", away, away), ints(-1), keepdims=1)
        frames = add("Cast", add("Slice", add("Shape", x), ints(2), ints(3)), to=1)
        deviation = add(
            "Sqrt", add("Div", squares, add("Sub", frames, self.graph.constant(np.ones(1, np.float32))))
        )
        both = add("Concat", mean, deviation, axis=1)
        path = "xvector.dense"
        return add("Squeeze", self.conv(both, f"{path}.linear", f"{path}.nonlinear.batchnorm"), ints(-1))

    def _folded(self, path: str, norm: str) -> tuple[Array, Array]:
        """Weight and bias of a convolution without bias and of the batch norm behind it."""
        scale, shift = self._scale_and_shift(norm)
        weight = self._w[f"{path}.weight"].astype(np.float64)
        return weight * scale.reshape(-1, *[1] * (weight.ndim - 1)), shift.astype(np.float32)

    def _scale_and_shift(self, norm: str) -> tuple[Array, Array]:
        mean, variance = (self._w[f"{norm}.running_{part}"].astype(np.float64) for part in ("mean", "var"))
        scale = self._w.get(f"{norm}.weight", np.ones(1)) / np.sqrt(variance + EPSILON)
        return scale, self._w.get(f"{norm}.bias", np.zeros(1)) - mean * scale

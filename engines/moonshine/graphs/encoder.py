"""Writes the encoder as an ONNX graph, which makes of an utterance what the decoder's attention needs.

The model is that of Jeffries et al., 2024 (https://arxiv.org/abs/2410.15608). The three convolutions are
written as products of matrices: neighbouring frames side by side, times a kernel as a matrix. The group norm
between the first two is folded into the second one, and applied behind it, since it is linear.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engines.moonshine.graphs.layers import EPSILON, LayerWriter
from engines.moonshine.graphs.onnx_file import FLOAT, MICROSOFT
from engines.moonshine.graphs.ort_file import UnknownGraph
from engines.moonshine.graphs.weights import HEADS, Floats, Weights

BLOCK: Final = 64  # Samples: the step of the first convolution, whose kernel is not quite twice as wide.
KERNELS: Final = (127, 7, 3)  # Frames, of the three convolutions; their steps are 64, 3 and 2.
LONGEST: Final = 8_192  # States (196 s): positions of which the graph has the sines.
TO_THE_END: Final = 2**31


def states_of(samples: int) -> int:
    """The number of states that the encoder makes of an utterance."""
    frames = (samples - KERNELS[0]) // BLOCK + 1
    frames = (frames - KERNELS[1]) // 3 + 1
    return max((frames - KERNELS[2]) // 2 + 1, 1)


def encoder_graph(encoder: Weights, decoder: Weights) -> bytes:
    """The encoder, with the products that the decoder makes of its states.

    Inputs: `blocks` [1, 6 S + 13, 64], the samples, and `frames` [1, 6 S + 12, 1], which is 1 where a frame
    of the first convolution is one of the utterance, else 0.
    Outputs: `cross.N.k` and `cross.N.v` [1, 8, S, d], the keys and values of the attention of layer N of the
    decoder to the states, and `hidden` [1, S, C], the states.

    Raises:
        UnknownGraph: a weight is missing or has another shape.
    """
    graph = _EncoderWriter(encoder, LONGEST, row_scales=False)  # One job: no other rows.
    states = graph.front_end(
        graph.input("blocks", FLOAT, (1, "M", BLOCK)), graph.input("frames", FLOAT, (1, "F", 1))
    )
    positions = graph.positions_of(states)
    for layer in range(encoder.layers):
        states = graph.layer(states, f"layers.{layer}", positions)
    hidden = graph.add("Identity", graph.norm(states, "layer_norm"), into="hidden")
    graph.output(hidden, (1, "S", "C"))
    graph.cross_attention(hidden, decoder)
    return graph.serialize()


class _EncoderWriter(LayerWriter):
    """The parts of the encoder."""

    def front_end(self, blocks: str, frames: str) -> str:
        """The states [1, S, C] before the first layer, of blocks of samples."""
        first = self._first_convolution(blocks, frames)
        mean, deviation = self._mean_and_deviation(first, frames)
        second = self._second_convolution(first, mean, deviation)
        return self._third_convolution(second)

    def _first_convolution(self, blocks: str, frames: str) -> str:
        """[1, 6 S + 12, C] of blocks; frames that are not of the utterance are 0."""
        kernel = self._kernel(1)[:, 0, :].T
        two = self.add("Concat", self._cut(blocks, 0, -1), self._cut(blocks, 1), axis=2)
        last_row = np.zeros((2 * BLOCK - KERNELS[0], kernel.shape[1]), np.float32)
        product = self._product(two, np.concatenate([kernel, last_row]))
        return self.add("Mul", self.add("Tanh", product), frames)

    def _mean_and_deviation(self, values: str, frames: str) -> tuple[str, str]:
        """Of all channels of all real frames: the mean, and one by the standard deviation."""
        axes, channels = self.ints(1, 2), self.constant(np.float32(self._kernel(1).shape[0]))
        count = self.add("Mul", self.add("ReduceSum", frames, axes, keepdims=1), channels)
        mean = self.add("Div", self.add("ReduceSum", values, axes, keepdims=1), count)
        square = self.add("Div", self.add("ReduceSumSquare", values, axes, keepdims=1), count)
        variance = self.add("Sub", square, self.add("Mul", mean, mean))
        root = self.add("Sqrt", self.add("Add", variance, self.constant(np.float32(EPSILON))))
        return mean, self.add("Reciprocal", root)

    def _second_convolution(self, values: str, mean: str, deviation: str) -> str:
        """[1, 2 S + 3, 2 C]: seven frames side by side, every third time, with the group norm before it."""
        kernel = self._kernel(2).astype(np.float64)
        factor, summand = (
            self.weights.parameter(f"group_norm.{part}").astype(np.float64) for part in ("weight", "bias")
        )
        matrix = _as_matrix(kernel * factor[:, None])
        bias = (kernel * summand[:, None]).sum((1, 2)) + self.weights.parameter("conv2.bias")
        channels = kernel.shape[1]
        three = self.add("Reshape", values, self.ints(1, -1, 3 * channels))
        parts = (
            self._cut(three, 0, -2),
            self._cut(three, 1, -1),
            self._cut(self._cut(three, 2), 0, channels, axis=2),
        )
        product = self._product(self.add("Concat", *parts, axis=2), matrix.astype(np.float32))
        shift = self.add("Mul", mean, self.constant(matrix.sum(0).astype(np.float32)))
        normed = self.add("Mul", self.add("Sub", product, shift), deviation)
        return self._gelu(normed, bias.astype(np.float32))

    def _third_convolution(self, values: str) -> str:
        """[1, S, C]: three frames side by side, every second time."""
        kernel = self._kernel(3)
        channels = kernel.shape[1]
        two = self.add("Reshape", values, self.ints(1, -1, 2 * channels))
        parts = self._cut(two, 0, -1), self._cut(self._cut(two, 1), 0, channels, axis=2)
        product = self._product(self.add("Concat", *parts, axis=2), _as_matrix(kernel))
        return self._gelu(product, self.weights.parameter("conv3.bias"))

    def positions_of(self, states: str) -> str:
        """The positions [1, S] of the states."""
        count = self.add("Squeeze", self.add("Shape", states, start=1, end=2))
        zero, one = self.constant(np.int64(0)), self.constant(np.int64(1))
        return self.add("Unsqueeze", self.add("Range", zero, count, one), self.ints(0))

    def layer(self, states: str, path: str, positions: str) -> str:
        """One layer: attention of all states to all, and two products with Gelu between them."""
        inputs = self.own_attention_inputs(states, path, positions)
        heard = self.add("MultiHeadAttention", *inputs, domain=MICROSOFT, num_heads=HEADS)
        states = self.add("Add", states, self.linear(heard, f"{path}.self_attn.o_proj"))
        normed = self.norm(states, f"{path}.post_attention_layernorm")
        wide = self.linear(normed, f"{path}.mlp.fc1", bias=f"{path}.mlp.fc1.bias")
        wide = self.add("Gelu", wide, domain=MICROSOFT)
        return self.add("Add", states, self.linear(wide, f"{path}.mlp.fc2", bias=f"{path}.mlp.fc2.bias"))

    def cross_attention(self, hidden: str, decoder: Weights) -> None:
        """Keys and values of the states for all layers of the decoder, by one product."""
        self.weights = decoder
        names = [f"{layer}.{part}" for layer in range(decoder.layers) for part in "kv"]
        paths = [f"layers.{name[:-2]}.encoder_attn.{name[-1]}_proj" for name in names]
        together = self.linear(hidden, *paths)
        parts = self.add_many("Split", together, count=len(names), axis=2, num_outputs=len(names))
        for name, part in zip(names, parts, strict=True):
            heads = self.add("Reshape", part, self.ints(0, 0, HEADS, -1))
            self.output(
                self.add("Transpose", heads, perm=(0, 2, 1, 3), into=f"cross.{name}"), (1, HEADS, "S", "d")
            )

    def _kernel(self, number: int) -> Floats:
        kernel = self.weights.parameter(f"conv{number}")
        if kernel.ndim != 3 or kernel.shape[2] != KERNELS[number - 1]:
            raise UnknownGraph(f"its convolution {number} has the shape {kernel.shape}")
        return kernel

    def _product(self, values: str, matrix: Floats) -> str:
        """With floats: with 8-bit integers the front end loses quiet speech."""
        return self.add("MatMul", values, self.constant(matrix))

    def _gelu(self, values: str, bias: Floats) -> str:
        return self.add("BiasGelu", values, self.constant(bias), domain=MICROSOFT)

    def _cut(self, values: str, start: int, end: int = TO_THE_END, axis: int = 1) -> str:
        return self.add("Slice", values, self.ints(start), self.ints(end), self.ints(axis))


def _as_matrix(kernel: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A kernel [out, in, width] as the matrix [width * in, out] for frames that lie side by side."""
    return kernel.transpose(2, 1, 0).reshape(-1, kernel.shape[0])

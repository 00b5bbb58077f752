"""Writes the parts that the layers of encoder and decoder have in common."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from engines.moonshine.graphs.onnx_file import MICROSOFT, GraphWriter
from engines.moonshine.graphs.weights import HEADS, Floats, Quantized, Weights, quantize

ROTATED: Final = 32  # Numbers of each head that depend on the position; the others do not.
EPSILON: Final = 1e-5  # What Moonshine's norms add to a variance.


class LayerWriter(GraphWriter):
    """A graph of transformer layers with the weights of one model.

    It knows the sines of so many `positions`. `row_scales`: whether its products quantize each row by itself.
    """

    def __init__(self, weights: Weights, positions: int, *, row_scales: bool) -> None:
        super().__init__()
        self.weights = weights
        self._row_scales = row_scales
        angles = np.arange(positions)[:, None] * weights.parameter("inverse_frequencies")[None].astype(
            np.float64
        )
        self._cosines = self.constant(np.cos(angles).astype(np.float32))
        self._sines = self.constant(np.sin(angles).astype(np.float32))

    def norm(self, values: str, path: str) -> str:
        """Layer norm without a summand."""
        weight = self.weights.parameter(f"{path}.weight")
        inputs = values, self.constant(weight), self.constant(np.zeros_like(weight))
        return self.add("LayerNormalization", *inputs, axis=-1, epsilon=EPSILON)

    def linear(self, values: str, *paths: str, bias: str | None = None, into: str | None = None) -> str:
        """The rows of `values` times the matrices of modules, side by side, with 8-bit integers."""
        matrix = _side_by_side([self.weights.matrix(path) for path in paths])
        summand = None if bias is None else self.constant(self.weights.parameter(bias))
        multiply = self._by_rows if self._row_scales else self._by_all
        return multiply(values, matrix, summand, into)

    def _by_all(self, values: str, matrix: Quantized, bias: str | None, into: str | None) -> str:
        """With one scale for all rows: fast, but a row's result depends a little on the other rows."""
        constants = [self.constant(each) for each in (matrix.values, matrix.scale, matrix.zero)]
        inputs = [values, *constants, *([] if bias is None else [bias])]
        return self.add("DynamicQuantizeMatMul", *inputs, domain=MICROSOFT, into=into)

    def _by_rows(self, values: str, matrix: Quantized, bias: str | None, into: str | None) -> str:
        """With a scale for each row, so that its result is the same whatever the other rows are."""
        size = self.add("ReduceMax", self.add("Abs", values), self.ints(2), keepdims=1)
        size = self.add("Max", size, self.constant(np.float32(1e-9)))
        step, middle = self.constant(np.float32(1 / 127)), self.constant(np.uint8(128))
        rows = self.add("QuantizeLinear", self.add("Div", values, size), step, middle)
        constants = (self.constant(each) for each in (matrix.values, matrix.scale, matrix.zero))
        weights, scale, zero = constants
        inputs = rows, weights, step, scale, middle, zero
        product = self.add("MatMulIntegerToFloat", *inputs, domain=MICROSOFT)
        if bias is None:
            return self.add("Mul", product, size, into=into)
        return self.add("Add", self.add("Mul", product, size), bias, into=into)

    def rotate(self, values: str, positions: str) -> str:
        """Queries or keys turned by their positions."""
        inputs = values, positions, self._cosines, self._sines
        return self.add(
            "RotaryEmbedding", *inputs, domain=MICROSOFT,
            interleaved=1, num_heads=HEADS, rotary_embedding_dim=ROTATED,
        )  # fmt: skip

    def own_attention_inputs(self, values: str, layer: str, positions: str) -> list[str]:
        """Queries, keys and values of the attention of a sequence to itself."""
        paths = [f"{layer}.self_attn.{part}_proj" for part in "qkv"]
        together = self.linear(self.norm(values, f"{layer}.input_layernorm"), *paths)
        q, k, v = self.add_many("Split", together, count=3, axis=2, num_outputs=3)
        return [self.rotate(q, positions), self.rotate(k, positions), v]


def _side_by_side(matrices: Sequence[Floats | Quantized]) -> Quantized:
    """Several matrices as one, each column with the scale and zero point that it had."""
    parts = [each if isinstance(each, Quantized) else quantize(each) for each in matrices]
    if len(parts) == 1:
        return parts[0]
    widths = [part.values.shape[1] for part in parts]
    scale = [np.broadcast_to(part.scale, width) for part, width in zip(parts, widths, strict=True)]
    zero = [np.broadcast_to(part.zero, width) for part, width in zip(parts, widths, strict=True)]
    values = np.concatenate([part.values for part in parts], axis=1)
    return Quantized(values, np.concatenate(scale), np.concatenate(zero))

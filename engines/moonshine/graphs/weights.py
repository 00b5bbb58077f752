"""Collects the weights of Moonshine from the graphs that it ships in, by the path of their module.

The paths are those of the model's own code (https://github.com/moonshine-ai/moonshine), such as
`layers.3.self_attn.q_proj`. A product of matrices has no name in a graph, but its output has: it begins with
the path of its module.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from engines.moonshine.graphs.ort_file import Graph, GraphNode, UnknownGraph

Floats: TypeAlias = npt.NDArray[np.float32]
Int8s: TypeAlias = npt.NDArray[np.int8]

HEADS: Final = 8
WHERE_THE_WEIGHTS_ARE: Final[Mapping[str, tuple[int, int, int]]] = {
    "MatMulIntegerToFloat": (1, 3, 5),  # Places among its inputs: weights, their scale, their zero point.
    "DynamicQuantizeMatMul": (1, 2, 3),
}
ONE_NAME: Final = (  # What the graphs of tiny and base call differently.
    (re.compile(r"^(model[./]decoder[./]|/model/decoder/|/)"), ""),
    (re.compile("/"), "."),
    (re.compile(r"_merged_\d"), ""),
    (re.compile(r"\.dense\."), ".o_proj."),
    (re.compile(r"up_proj"), "fc1"),
    (re.compile(r"down_proj"), "fc2"),
)
PARAMETER: Final = re.compile(r"(norm\.weight|\.bias)(_merged_\d)?$")


@dataclass(frozen=True, slots=True)
class Quantized:
    """A matrix [K, N] of 8-bit integers: a weight is `scale` times (value - `zero`).

    `scale` and `zero` are one for all, or one for each of the N columns.
    """

    values: Int8s
    scale: Floats
    zero: Int8s

    def as_floats(self) -> Floats:
        """The weights themselves."""
        return ((self.values.astype(np.float32) - self.zero.astype(np.float32)) * self.scale).astype(
            np.float32
        )


def quantize(weights: Floats) -> Quantized:
    """The weights [K, N] as integers from -127 to 127, each column by a scale of its own."""
    scale = np.maximum(np.abs(weights).max(axis=0), np.float32(1e-8)) / np.float32(127)
    values = np.clip(np.round(weights / scale), -127, 127).astype(np.int8)
    return Quantized(values, scale.astype(np.float32), np.zeros(weights.shape[1], np.int8))


class Weights:
    """The weights of an encoder or a decoder; a look-up says which one a graph lacks.

    `matrices` [K, N] are those by which rows are multiplied, `parameters` all others.
    """

    def __init__(self, matrices: Mapping[str, Floats | Quantized], parameters: Mapping[str, Floats]) -> None:
        self._matrices = matrices
        self._parameters = parameters

    def matrix(self, path: str) -> Floats | Quantized:
        """The matrix of one module.

        Raises:
            UnknownGraph: there is none.
        """
        if path not in self._matrices:
            raise UnknownGraph(f"it has no matrix {path}")
        return self._matrices[path]

    def parameter(self, path: str) -> Floats:
        """A bias, a factor, or the kernel of a convolution.

        Raises:
            UnknownGraph: there is none.
        """
        if path not in self._parameters:
            raise UnknownGraph(f"it has no parameter {path}")
        return self._parameters[path]

    @property
    def layers(self) -> int:
        """The number of layers.

        Raises:
            UnknownGraph: there is none.
        """
        found = {int(path.split(".")[1]) for path in self._matrices if path.startswith("layers.")}
        if found != set(range(len(found))) or not found:
            raise UnknownGraph(f"its layers are {sorted(found)}")
        return len(found)


def encoder_weights(graph: Graph) -> Weights:
    """All of the encoder: also `conv1` to `conv3` [out, in, width], `group_norm`, `inverse_frequencies`.

    Raises:
        UnknownGraph: a product has weights of another form.
    """
    source = _Source(graph)
    parameters = source.parameters() | source.convolutions() | source.group_norm()
    return Weights(source.matrices(), parameters | source.inverse_frequencies())


def decoder_weights(graph: Graph) -> Weights:
    """All of the decoder, as its first pass has it: also `embed_tokens` [V, C], and `logits` [C, V].

    Raises:
        UnknownGraph: a product has weights of another form.
    """
    source = _Source(graph.with_branch("else_branch"))
    embeddings = source.embeddings()
    matrices = {"logits": np.ascontiguousarray(embeddings.T), **source.matrices()}
    parameters = source.parameters() | source.inverse_frequencies() | {"embed_tokens": embeddings}
    return Weights(matrices, parameters)


class _Source:
    """A graph, asked for the values that do not depend on its inputs."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._made_by = {output: node for node in graph.nodes for output in node.outputs}

    def matrices(self) -> dict[str, Floats | Quantized]:
        found: dict[str, Floats | Quantized] = {}
        for node in self._graph.nodes:
            matrix = self._matrix(node)
            if matrix is not None:
                output = node.outputs[0]
                found[output if output == "logits" else _one_name(output).rpartition(".")[0]] = matrix
        return found

    def parameters(self) -> dict[str, Floats]:
        constants = self._graph.constants
        return {_one_name(name): constants[name] for name in constants if PARAMETER.search(name)}

    def convolutions(self) -> dict[str, Floats]:
        """Their kernels `conv1` to `conv3`."""
        nodes = [node for node in self._graph.nodes if node.kind in ("Conv", "FusedConv")]
        return {node.inputs[1].partition(".")[0]: self.value(node.inputs[1]) for node in nodes}

    def group_norm(self) -> dict[str, Floats]:
        """The factor and the summand of each channel."""
        found = {}
        for name, kind in (("weight", "Mul"), ("bias", "Add")):
            node = self._made_by.get(f"/groupnorm/{kind}_output_0")
            if node is not None:
                found[f"group_norm.{name}"] = self.value(node.inputs[1]).ravel()
        return found

    def inverse_frequencies(self) -> dict[str, Floats]:
        """Those of the rotary positions (Su et al., 2021, https://arxiv.org/abs/2104.09864)."""
        floats = [value for value in self._graph.constants.values() if value.dtype == np.float32]
        found = [value for value in floats if value.ndim == 3 and value.shape[::2] == (1, 1)]
        return {"inverse_frequencies": found[0].ravel()} if found else {}

    def embeddings(self) -> Floats:
        """The vectors of all tokens [V, C].

        Raises:
            UnknownGraph: no operator looks them up.
        """
        for node in self._graph.nodes:
            if node.kind == "Gather" and "embed_tokens" in node.inputs[0]:
                return self._dequantized(node.inputs[0])
        raise UnknownGraph("it looks up no embeddings")

    def _dequantized(self, name: str) -> Floats:
        """A table, of which the looked-up rows may be dequantized only behind the look-up."""
        value = self.value(name)
        if value.dtype != np.uint8:
            return np.asarray(value, np.float32)
        base = name.removesuffix("_quantized")
        scale, zero = self.value(f"{base}_scale"), self.value(f"{base}_zero_point")
        return np.asarray((value.astype(np.float32) - zero.astype(np.float32)) * scale, np.float32)

    def _matrix(self, node: GraphNode) -> Floats | Quantized | None:
        """The weights of a product; None where both of its factors depend on the inputs."""
        places = WHERE_THE_WEIGHTS_ARE.get(node.kind)
        if places is not None:
            return _signed(*(self.value(node.inputs[place]) for place in places))
        if node.kind != "MatMul" or not self._is_constant(node.inputs[1]):
            return None
        return np.asarray(self.value(node.inputs[1]), np.float32)

    def _is_constant(self, name: str) -> bool:
        if name in self._graph.constants:
            return True
        node = self._made_by.get(name)
        return node is not None and all(self._is_constant(each) for each in node.inputs if each)

    def value(self, name: str) -> npt.NDArray[Any]:
        """A constant, or what the operators that make it from constants give.

        Raises:
            UnknownGraph: it depends on the graph's inputs, or an operator is of another kind.
        """
        constants = self._graph.constants
        if name in constants:
            return constants[name]
        node = self._made_by.get(name)
        if node is None:
            raise UnknownGraph(f"{name} is no constant")
        values = [self.value(each) for each in node.inputs[: 2 if node.kind in ("Mul", "Add") else 1]]
        return _computed(node, values)


def _computed(node: GraphNode, values: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    match node.kind, values:
        case "Mul", [a, b]:
            return np.asarray(a * b, np.float32)
        case "Add", [a, b]:
            return np.asarray(a + b, np.float32)
        case "Cast", [a]:
            return a.astype(np.float32)
        case "Transpose", [a]:
            return a.transpose(node.numbers.get("perm"))
        case (("Identity" | "Squeeze" | "Unsqueeze" | "Reshape"), [a]):
            return a
    raise UnknownGraph(f"{node.outputs[0]} is made by {node.kind}")


def _signed(values: npt.NDArray[Any], scale: Floats, zero: npt.NDArray[Any]) -> Quantized:
    """The same weights as signed integers, whose products with bytes CPUs compute several times as fast."""
    if values.dtype == np.uint8:
        values, zero = (values ^ 128).view(np.int8), (zero ^ 128).view(np.int8)
    if values.dtype != np.int8:
        raise UnknownGraph(f"its weights are of the type {values.dtype}")
    return Quantized(values, np.asarray(scale, np.float32), np.asarray(zero, np.int8))


def _one_name(name: str) -> str:
    for pattern, text in ONE_NAME:
        name = pattern.sub(text, name)
    return name

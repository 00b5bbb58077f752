"""Writes ONNX graphs whose weights are stored in fewer bytes than they are computed with."""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

Array: TypeAlias = npt.NDArray[Any]

IR_VERSION: Final = 9
OPERATORS: Final = 17  # The version of ONNX's operators.
MOST: Final = 127  # The largest 8-bit weight; -128 is not used, so that a scale has no zero point.


class CompactGraph:
    """Collects the operators and weights of one graph; a value is known by its name.

    ONNX Runtime turns the stored weights into 32-bit floats once, when it loads the file.
    """

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._weights: list[TensorProto] = []
        self._values = 0

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """An operator with one output."""
        name = self._name()
        self._nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, value: npt.ArrayLike) -> str:
        """A constant of the type that its array has."""
        name = self._name()
        self._weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def ints(self, *values: int) -> str:
        """A list of whole numbers, such as axes and shapes."""
        return self.constant(np.array(values, np.int64))

    def in_16_bits(self, weight: Array) -> str:
        """A weight that is stored in 16-bit floats."""
        return self.add("Cast", self.constant(weight.astype(np.float16)), to=TensorProto.FLOAT)

    def in_8_bits(self, weight: Array) -> str:
        """A weight that is stored in 8 bits, with a scale for each output channel, its first axis."""
        scale = np.abs(weight).reshape(len(weight), -1).max(axis=1) / MOST
        scale = scale.reshape(-1, *[1] * (weight.ndim - 1)).astype(np.float32)
        stored = np.rint(weight / np.maximum(scale, np.finfo(np.float32).tiny)).astype(np.int8)
        floats = self.add("Cast", self.constant(stored), to=TensorProto.FLOAT)
        return self.add("Mul", floats, self.constant(scale))

    def serialize(
        self, source: tuple[str, Sequence[int | str]], result: tuple[str, Sequence[int | str]]
    ) -> bytes:
        """The file; `source` and `result` are name and shape of the input and of the output, of floats."""
        values = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (source, result)
        ]
        self._nodes.append(helper.make_node("Identity", [self._nodes[-1].output[0]], [result[0]]))
        graph = helper.make_graph(self._nodes, "graph", values[:1], values[1:], self._weights)
        model: ModelProto = helper.make_model(
            graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPERATORS)]
        )
        return bytes(model.SerializeToString(deterministic=True))

    def _name(self) -> str:
        self._values += 1
        return f"v{self._values}"

"""Writes ONNX graphs, without the library of that name, which takes 36 MB.

The format is Protocol Buffers; the numbers of the fields are those of onnx/onnx.proto in the repository
onnx/onnx. Tests read what it writes with that library.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

Shape: TypeAlias = Sequence[int | str]

IR_VERSION: Final = 9
OPERATORS: Final = 20  # The version of ONNX's operators: the first one with Gelu; onnxruntime 1.17 knows it.
TYPES: Final = {np.dtype(np.float32): 1, np.dtype(np.uint8): 2, np.dtype(np.int8): 3, np.dtype(np.int64): 7}
FLOAT, INT64 = 1, 7  # Of TYPES, for inputs and outputs.
MICROSOFT: Final = (
    "com.microsoft"  # ONNX Runtime's own operators: docs/ContribOperators.md in its repository.
)


@dataclass(slots=True)
class GraphWriter:
    """Collects the operators and constants of one graph; a value is known by its name."""

    _nodes: list[bytes] = field(default_factory=list)
    _constants: list[bytes] = field(default_factory=list)
    _inputs: list[bytes] = field(default_factory=list)
    _outputs: list[bytes] = field(default_factory=list)
    _values: int = 0

    def input(self, name: str, kind: int, shape: Shape) -> str:
        """Declare an input of the graph."""
        self._inputs.append(_value(name, kind, shape))
        return name

    def output(self, name: str, shape: Shape) -> str:
        """Declare an output of the graph, of floats."""
        self._outputs.append(_value(name, FLOAT, shape))
        return name

    def constant(self, value: npt.ArrayLike) -> str:
        """A constant; its type is that of the array."""
        name = self._name()
        self._constants.append(_tensor(name, np.asarray(value)))
        return name

    def ints(self, *values: int) -> str:
        """A list of whole numbers, such as axes and shapes."""
        return self.constant(np.array(values, np.int64))

    def add(
        self, kind: str, *inputs: str, into: str | None = None, domain: str = "", **attributes: Any
    ) -> str:
        """An operator with one output, which is named `into` where that is given."""
        name = into or self._name()
        self.add_node(kind, inputs, [name], domain, **attributes)
        return name

    def add_many(self, kind: str, *inputs: str, count: int, **attributes: Any) -> list[str]:
        """An operator with several outputs."""
        names = [self._name() for _ in range(count)]
        self.add_node(kind, inputs, names, **attributes)
        return names

    def add_node(
        self, kind: str, inputs: Iterable[str], outputs: Iterable[str], domain: str = "", **attributes: Any
    ) -> None:
        """An operator whose outputs have the names that they are given."""
        parts = [_field(1, each.encode()) for each in inputs] + [_field(2, each.encode()) for each in outputs]
        parts += [_field(4, kind.encode())]
        parts += [_field(5, _attribute(name, value)) for name, value in sorted(attributes.items())]
        self._nodes.append(b"".join(parts) + (_field(7, domain.encode()) if domain else b""))

    def serialize(self) -> bytes:
        """The file."""
        parts = [_field(1, each) for each in self._nodes] + [_field(2, b"moonshine")]
        parts += [_field(5, each) for each in self._constants]
        parts += [_field(11, each) for each in self._inputs] + [_field(12, each) for each in self._outputs]
        versions = (_field(2, OPERATORS), _field(1, MICROSOFT.encode()) + _field(2, 1))
        imports = b"".join(_field(8, each) for each in versions)
        return _field(1, IR_VERSION) + _field(7, b"".join(parts)) + imports

    def _name(self) -> str:
        self._values += 1
        return f"v{self._values}"


def _field(number: int, value: bytes | int) -> bytes:
    """A field of a message: a whole number, or bytes with their length before them."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; a negative number is that of 64 bits."""
    value &= 2**64 - 1
    found = bytearray()
    while value >= 128:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _attribute(name: str, value: float | int | Sequence[int]) -> bytes:
    head = _field(1, name.encode())
    if isinstance(value, float):
        return head + b"\x15" + np.float32(value).tobytes() + _field(20, 1)
    if isinstance(value, int):
        return head + _field(3, value) + _field(20, 2)
    return head + b"".join(_field(8, each) for each in value) + _field(20, 7)


def _tensor(name: str, value: npt.NDArray[Any]) -> bytes:
    head = b"".join(_field(1, size) for size in value.shape) + _field(2, TYPES[value.dtype])
    return head + _field(8, name.encode()) + _field(9, value.tobytes())


def _value(name: str, kind: int, shape: Shape) -> bytes:
    sizes = (_field(2, each.encode()) if isinstance(each, str) else _field(1, each) for each in shape)
    tensor = _field(1, kind) + _field(2, b"".join(_field(1, each) for each in sizes))
    return _field(1, name.encode()) + _field(2, _field(1, tensor))

"""Reads the nodes and constants of a graph from a file in ONNX Runtime's own format, `.ort`.

The format is FlatBuffers; its schema is onnxruntime/core/flatbuffers/schema/ort.fbs in the repository
microsoft/onnxruntime. A field's number here is its place in a table of that schema.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from flatbuffers.number_types import Int32Flags, Int64Flags, Uint8Flags
from flatbuffers.table import Table

IDENTIFIER: Final = b"ORTM"
DTYPES: Final[Mapping[int, type[np.generic]]] = {
    1: np.float32,
    2: np.uint8,
    3: np.int8,
    6: np.int32,
    7: np.int64,
    9: np.bool_,
    11: np.float64,
}


class UnknownGraph(Exception):
    """A file is not a graph of the form that this package reads."""


@dataclass(frozen=True, slots=True)
class GraphNode:
    """One operator: its kind, the names of its values, and of its attributes the whole numbers and graphs."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    numbers: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    graphs: Mapping[str, "Graph"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Graph:
    """The operators of a graph and its constants by name."""

    nodes: tuple[GraphNode, ...]
    constants: Mapping[str, npt.NDArray[Any]]

    def with_branch(self, name: str) -> "Graph":
        """The graph as it runs where its conditional takes the branch `then_branch` or `else_branch`.

        Raises:
            UnknownGraph: it has no conditional, or more than one.
        """
        branches = [node.graphs[name] for node in self.nodes if name in node.graphs]
        if len(branches) != 1:
            raise UnknownGraph(f"it has {len(branches)} conditionals instead of one")
        (branch,) = branches
        nodes = tuple(node for node in self.nodes if not node.graphs)
        return Graph(nodes + branch.nodes, {**self.constants, **branch.constants})


def read_graph(data: bytes) -> Graph:
    """The main graph of a file; its constants are views of `data`.

    Raises:
        UnknownGraph: it is no such file, or it is damaged.
    """
    if data[4:8] != IDENTIFIER:
        raise UnknownGraph("it is no file of ONNX Runtime's format")
    try:
        root = _Record(data, int.from_bytes(data[:4], "little"))
        return _graph(root.record(1).record(7))
    except (ValueError, IndexError, TypeError, OverflowError, RecursionError, struct.error) as error:
        raise UnknownGraph(f"it is damaged: {error}") from None


def _graph(record: "_Record") -> Graph:
    constants = dict(_constant(each) for each in record.records(0))
    return Graph(tuple(_node(each) for each in record.records(2)), constants)


def _constant(record: "_Record") -> tuple[str, npt.NDArray[Any]]:
    dtype = DTYPES.get(record.number(3))
    if dtype is None:
        raise UnknownGraph(f"its constant {record.text(0)} is of the type {record.number(3)}")
    values = record.vector(4, Uint8Flags).view(dtype)
    return record.text(0), values.reshape(record.vector(2, Int64Flags))


def _node(record: "_Record") -> GraphNode:
    attributes = record.records(10)
    numbers = {each.text(0): _numbers(each) for each in attributes}
    graphs = {each.text(0): _graph(each.record(7)) for each in attributes if each.has(7)}
    return GraphNode(record.text(5), tuple(record.texts(8)), tuple(record.texts(9)), numbers, graphs)


def _numbers(attribute: "_Record") -> tuple[int, ...]:
    """The value of an attribute that is one whole number, or several."""
    if attribute.has(9):
        return tuple(int(number) for number in attribute.vector(9, Int64Flags))
    return (attribute.number(4, Int64Flags),)


class _Record:
    """A table of a FlatBuffer: its fields by their number in the schema."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._table = Table(data, at)

    def has(self, place: int) -> bool:
        return bool(self._offset(place))

    def text(self, place: int) -> str:
        offset = self._offset(place)
        return self._table.String(offset + self._table.Pos).decode() if offset else ""

    def number(self, place: int, flags: Any = Int32Flags) -> int:
        offset = self._offset(place)
        return int(self._table.Get(flags, offset + self._table.Pos)) if offset else 0

    def vector(self, place: int, flags: Any) -> npt.NDArray[Any]:
        offset = self._offset(place)
        if not offset:
            return np.zeros(0, np.uint8 if flags is Uint8Flags else np.int64)
        values: npt.NDArray[Any] = self._table.GetVectorAsNumpy(flags, offset)
        return values

    def record(self, place: int) -> "_Record":
        return _Record(self._data, self._table.Indirect(self._offset(place) + self._table.Pos))

    def records(self, place: int) -> list["_Record"]:
        return [_Record(self._data, self._table.Indirect(at)) for at in self._elements(place)]

    def texts(self, place: int) -> list[str]:
        return [self._table.String(at).decode() for at in self._elements(place)]

    def _offset(self, place: int) -> int:
        return int(self._table.Offset(4 + 2 * place))

    def _elements(self, place: int) -> Iterator[int]:
        """Where the references of a vector lie."""
        offset = self._offset(place)
        if offset:
            start = self._table.Vector(offset)
            yield from (start + 4 * k for k in range(self._table.VectorLen(offset)))

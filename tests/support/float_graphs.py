"""Builds a model's graphs with products of floats in place of those of 8-bit integers."""

import numpy as np
import pytest

from engines.moonshine.built_graphs import BuiltGraphs
from engines.moonshine.checkpoints import ModelFiles
from engines.moonshine.forward_pass import open_session
from engines.moonshine.graphs.build import build_graphs
from engines.moonshine.graphs.layers import LayerWriter
from engines.moonshine.graphs.weights import Quantized


def float_graphs(files: ModelFiles, threads: int) -> BuiltGraphs:
    """The graphs that are built of a model's files, but for the rounding to 8 bits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LayerWriter, "linear", _float_linear)
        graphs = build_graphs(files.encoder, files.decoder)
    return BuiltGraphs(*(open_session(graph, threads) for graph in graphs))


def _float_linear(
    self: LayerWriter, values: str, *paths: str, bias: str | None = None, into: str | None = None
) -> str:
    """What `LayerWriter.linear` approximates."""
    found = [self.weights.matrix(path) for path in paths]
    parts = [each.as_floats() if isinstance(each, Quantized) else each for each in found]
    matrix = self.constant(np.concatenate(parts, axis=1))
    if bias is None:
        return self.add("MatMul", values, matrix, into=into)
    product = self.add("MatMul", values, matrix)
    return self.add("Add", product, self.constant(self.weights.parameter(bias)), into=into)

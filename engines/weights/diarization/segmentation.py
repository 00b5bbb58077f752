"""Builds the graph of pyannote segmentation 3.0, which says who of three people speaks in 10 s of audio.

The network is `PyanNet` of pyannote.audio: filters that are band passes (SincNet), four bidirectional LSTM
layers, and a class for each set of at most two of three speakers.
"""

from typing import Final

import numpy as np

from engines.weights.diarization.graph import Array, CompactGraph

WINDOW: Final = 160_000  # Samples (10 s) of a window, with which the network was trained.
RATE: Final = 16_000  # Samples a second.
STRIDE: Final = 10  # Samples between two outputs of the first layer.
LAYERS: Final = 4  # Of LSTM.
HIDDEN: Final = 128  # Size of an LSTM cell.
CLASSES: Final = 7  # No speaker, one of three, two of three.
LEAST_HZ: Final = 50.0  # The least low edge of a filter, and its least width.
LEAK: Final = 0.01  # Slope of torch's leaky ReLU below 0.
EPSILON: Final = 1e-5  # What torch's instance norm adds to a variance.
GATES: Final = [0, 3, 1, 2]  # ONNX has input, output, forget, cell; torch has input, forget, cell, output.


def segmentation_graph(w: dict[str, Array]) -> bytes:
    """The file: input `audio` [windows, 1, 160000], output `scores` [windows, 589, 7], log probabilities."""
    graph = CompactGraph()
    x = _convolutions(graph, w, "audio")
    x = graph.add("Transpose", x, perm=[2, 0, 1])
    for layer in range(LAYERS):
        x = _lstm(graph, w, x, layer)
    x = graph.add("Transpose", x, perm=[1, 0, 2])
    for name in ("linear.0", "linear.1"):
        x = graph.add("LeakyRelu", _linear(graph, w, x, name), alpha=LEAK)
    graph.add("LogSoftmax", _linear(graph, w, x, "classifier"), axis=-1)
    return graph.serialize(("audio", ["windows", 1, WINDOW]), ("scores", ["windows", "frames", CLASSES]))


def _convolutions(graph: CompactGraph, w: dict[str, Array], x: str) -> str:
    x = _norm(graph, w, x, "sincnet.wav_norm1d")
    x = graph.add("Abs", graph.add("Conv", x, graph.in_16_bits(sinc_filters(w)), strides=[STRIDE]))
    for layer in range(3):
        if layer:
            name = f"sincnet.conv1d.{layer}"
            x = graph.add(
                "Conv", x, graph.in_16_bits(w[f"{name}.weight"]), graph.in_16_bits(w[f"{name}.bias"])
            )
        x = graph.add("MaxPool", x, kernel_shape=[3], strides=[3])
        x = graph.add("LeakyRelu", _norm(graph, w, x, f"sincnet.norm1d.{layer}"), alpha=LEAK)
    return x


def _norm(graph: CompactGraph, w: dict[str, Array], x: str, name: str) -> str:
    weight, bias = graph.constant(w[f"{name}.weight"]), graph.constant(w[f"{name}.bias"])
    return graph.add("InstanceNormalization", x, weight, bias, epsilon=EPSILON)


def sinc_filters(w: dict[str, Array]) -> Array:
    """The filters [80, 1, 251]: 40 even and 40 odd band passes, of edges that the network has learned.

    The formulas are those of `ParamSincFB` in asteroid-filterbanks.
    """
    part = {
        name: w[f"sincnet.conv1d.0.filterbank.{name}"].astype(np.float64)
        for name in ("low_hz_", "band_hz_", "window_", "n_")
    }
    low = LEAST_HZ + np.abs(part["low_hz_"])
    high = np.clip(low + LEAST_HZ + np.abs(part["band_hz_"]), LEAST_HZ, RATE / 2)
    width, time = 2 * (high - low), part["n_"]
    even = (np.sin(high @ time) - np.sin(low @ time)) / (time / 2) * part["window_"]
    odd = (np.cos(low @ time) - np.cos(high @ time)) / (time / 2) * part["window_"]
    cosines = np.concatenate([even, width, even[:, ::-1]], axis=1) / width
    sines = np.concatenate([odd, 0 * width, -odd[:, ::-1]], axis=1) / width
    return np.concatenate([cosines, sines])[:, None]


def _lstm(graph: CompactGraph, w: dict[str, Array], x: str, layer: int) -> str:
    """A bidirectional layer: [frames, windows, size] to [frames, windows, 256]."""
    inputs, recurrent = (graph.in_16_bits(_both(w, f"weight_{side}_l{layer}")) for side in ("ih", "hh"))
    biases = [_both(w, f"bias_{side}_l{layer}") for side in ("ih", "hh")]
    bias = graph.in_16_bits(np.concatenate(biases, axis=1))
    found = graph.add("LSTM", x, inputs, recurrent, bias, hidden_size=HIDDEN, direction="bidirectional")
    found = graph.add("Transpose", found, perm=[0, 2, 1, 3])
    return graph.add("Reshape", found, graph.ints(0, 0, 2 * HIDDEN))


def _both(w: dict[str, Array], name: str) -> Array:
    """A parameter of the layer forward and backward, its gates in the order of ONNX."""
    parts = [w[f"lstm.{name}{way}"] for way in ("", "_reverse")]
    return np.stack([p.reshape(4, HIDDEN, *p.shape[1:])[GATES].reshape(p.shape) for p in parts])


def _linear(graph: CompactGraph, w: dict[str, Array], x: str, name: str) -> str:
    product = graph.add("MatMul", x, graph.in_16_bits(w[f"{name}.weight"].T))
    return graph.add("Add", product, graph.in_16_bits(w[f"{name}.bias"]))

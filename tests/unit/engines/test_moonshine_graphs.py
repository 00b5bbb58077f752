"""Tests that the graphs that are built of Moonshine's files compute what those files compute."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper

from engines.base import Floats
from engines.moonshine.built_graphs import BuiltGraphs
from engines.moonshine.checkpoints import BASE, TINY, EmbeddedModel, ModelFiles, read_files
from engines.moonshine.forward_pass import open_session
from engines.moonshine.graphs.build import build_graphs
from engines.moonshine.graphs.encoder import states_of
from engines.moonshine.graphs.onnx_file import FLOAT, GraphWriter
from engines.moonshine.graphs.ort_file import UnknownGraph, read_graph
from engines.moonshine.graphs.weights import encoder_weights, quantize
from engines.moonshine.processor import overflows
from engines.moonshine.shipped_graphs import ShippedGraphs
from tests.support.float_graphs import float_graphs
from tests.support.moonshine_models import needs_base
from tests.support.recordings import recording

SECOND = 16_000
ROUNDING = (
    0.05  # Relative rms of logits that a few 8-bit integers, rounded the other way, make (measured: 0.034).
)
SHARED = (TINY, pytest.param(BASE, marks=needs_base))


@pytest.fixture(scope="module", params=SHARED, ids=lambda checkpoint: checkpoint.name)
def checkpoint(request: pytest.FixtureRequest) -> EmbeddedModel:
    found: EmbeddedModel = request.param
    return found


@pytest.fixture(scope="module")
def files(checkpoint: EmbeddedModel) -> ModelFiles:
    return read_files(checkpoint)


@pytest.fixture(scope="module")
def shipped(files: ModelFiles) -> ShippedGraphs:
    return ShippedGraphs(open_session(files.encoder, 2), open_session(files.decoder, 2))


@pytest.fixture(scope="module")
def built(files: ModelFiles) -> BuiltGraphs:
    graphs = build_graphs(files.encoder, files.decoder)
    return BuiltGraphs(*(open_session(graph, 2, unsigned=overflows()) for graph in graphs))


@pytest.fixture(scope="module")
def with_floats(files: ModelFiles) -> BuiltGraphs:
    """The same graphs, with products of floats in place of those of 8-bit integers."""
    return float_graphs(files, 2)


def speech() -> list[Floats]:
    """Pieces of a recording, of 0.1 to 5 s."""
    audio = recording("two_cities.wav")
    ends = (0.1, 0.5, 1.7, 3.0, 5.0)
    return [audio[2 * SECOND : int((2 + end) * SECOND)] for end in ends]


def difference(found: Floats, expected: Floats) -> float:
    """The rms of the difference, relative to the deviation of what is expected."""
    assert found.shape == expected.shape
    return float(np.sqrt(np.square(found - expected).mean()) / expected.std())


def test_the_states_are_those_of_the_shipped_encoder(
    checkpoint: EmbeddedModel, with_floats: BuiltGraphs, shipped: ShippedGraphs
) -> None:
    """Base ships with products of floats, tiny with products of 8-bit integers."""
    most = {TINY: 0.08, BASE: 1e-4}[checkpoint]
    for audio in speech():
        assert difference(with_floats.hidden(audio), shipped.hidden(audio)) < most, len(audio)


def test_integers_change_the_states_as_little_as_those_that_ship(
    built: BuiltGraphs, with_floats: BuiltGraphs
) -> None:
    for audio in speech()[1:]:
        assert difference(built.hidden(audio), with_floats.hidden(audio)) < 0.08, len(audio)


def test_the_logits_are_those_of_the_shipped_decoder(
    checkpoint: EmbeddedModel, with_floats: BuiltGraphs, shipped: ShippedGraphs
) -> None:
    most = {TINY: 0.15, BASE: 1e-3}[checkpoint]
    ids = np.array([[1, 739, 471, 278, 1900]])
    for audio in speech()[2:]:
        found, expected = (graphs.encode([audio]).verify(ids) for graphs in (with_floats, shipped))
        assert difference(found, expected) < most


def test_an_utterance_in_a_batch_gives_the_same_states_as_alone(built: BuiltGraphs) -> None:
    audio = speech()
    together = built.encode(audio)
    for row, each in enumerate(audio):
        alone = built.encode([each])
        for name, value in alone.cross.items():
            states = value.shape[2]
            assert np.array_equal(together.cross[name][row, :, :states], value[0])
            assert not together.cross[name][row, :, states:].any()


def test_a_row_of_a_batch_gets_the_logits_that_it_gets_alone(
    with_floats: BuiltGraphs, built: BuiltGraphs
) -> None:
    """The order of additions differs; with integers that sometimes decides which way a number is rounded."""
    check_rows(with_floats, 1e-4)
    check_rows(built, ROUNDING)


def check_rows(built: BuiltGraphs, most: float) -> None:
    audio = speech()[1:]
    ids = np.array([[1, 739, 471, 278, 1900], [1, 5, 6, 7, 8], [1, 2, 2, 2, 2], [1, 739, 471, 2, 2]])
    together = built.encode(audio).verify(ids)
    for row, each in enumerate(audio):
        assert difference(together[row], built.encode([each]).verify(ids[row : row + 1])[0]) < most


def test_steps_give_the_logits_of_one_pass_over_all_tokens(
    with_floats: BuiltGraphs, built: BuiltGraphs
) -> None:
    check_steps(with_floats, 1e-4)
    check_steps(built, ROUNDING)


def check_steps(built: BuiltGraphs, most: float) -> None:
    audio, tokens = speech()[2:4], [[1, 739, 471, 278, 1900], [1, 5, 6, 7, 8]]
    whole = built.encode(audio).verify(np.array(tokens))
    state = built.encode(audio)
    state.verify(np.array([[1, 739, 9], [1, 9, 9]]))
    state.confirm([2, 1])
    for at in ((2, 1), (3, 2), (4, 3)):
        found = state.step([row[k] for row, k in zip(tokens, at, strict=True)])
        for row, k in enumerate(at):
            assert difference(found[row], whole[row, k]) < most
    state.keep([1])
    assert difference(state.step([tokens[1][4]])[0], whole[1, 4]) < most


@pytest.mark.parametrize("samples", [1_600, 1_601, 1_663, 1_664, 5_000, 16_000, 80_000])
def test_the_number_of_states_is_that_of_the_shipped_encoder(samples: int) -> None:
    audio = recording("beckett.wav")[:samples]
    encoder = open_session(read_files(TINY).encoder, 1)
    graphs = ShippedGraphs(encoder, encoder)
    assert len(graphs.hidden(audio)) == states_of(samples)


def test_the_same_files_give_the_same_bytes(files: ModelFiles) -> None:
    first, second = (build_graphs(files.encoder, files.decoder) for _ in range(2))
    assert first == second


def test_what_is_built_is_valid(files: ModelFiles) -> None:
    for graph in build_graphs(files.encoder, files.decoder):
        model = onnx.load_from_string(graph)
        onnx.checker.check_model(model)
        assert model.graph.name == "moonshine"


def test_a_file_is_read_as_onnx_runtime_reads_it(files: ModelFiles, tmp_path: Path) -> None:
    for data in (files.encoder, files.decoder):
        ours, theirs = read_graph(data), converted(data, tmp_path / "theirs.onnx")
        constants = {each.name: numpy_helper.to_array(each) for each in theirs.initializer}
        assert {name for name in constants if name not in ours.constants} == set()
        assert all(np.array_equal(ours.constants[name], value) for name, value in constants.items())
        found = sorted((node.kind, node.inputs, node.outputs) for node in ours.nodes)
        expected = sorted((n.op_type, tuple(n.input), tuple(n.output)) for n in theirs.node)
        assert found == expected


def converted(data: bytes, path: Path) -> onnx.GraphProto:
    """A file as ONNX Runtime itself converts it."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.optimized_model_filepath = str(path)
    options.add_session_config_entry("session.save_model_format", "ONNX")
    ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return onnx.load(path).graph


@pytest.mark.parametrize("kept", [0, 3, 8, 100, 5_000, 1_000_000])
def test_a_file_that_is_cut_off_is_refused(kept: int) -> None:
    data = read_files(TINY).encoder[:kept]
    with pytest.raises(UnknownGraph):
        encoder_weights(read_graph(data))


def test_another_file_is_refused() -> None:
    tiny = read_files(TINY)
    with pytest.raises(UnknownGraph, match="no file of ONNX Runtime's format"):
        read_graph(b"RIFF" * 100)
    with pytest.raises(UnknownGraph, match="conditionals"):
        build_graphs(tiny.encoder, tiny.encoder)
    with pytest.raises(UnknownGraph, match="it has no"):
        build_graphs(tiny.decoder, tiny.decoder)


def test_quantized_weights_are_near_the_weights() -> None:
    weights = np.random.default_rng(1).normal(size=(30, 20)).astype(np.float32)
    weights[:, 3] = 0
    found = quantize(weights)
    assert found.values.dtype == np.int8
    steps = np.abs(weights).max(axis=0) / 127
    assert (np.abs(found.as_floats() - weights) <= steps * 0.5001 + 1e-12).all()


def test_what_is_written_is_what_onnx_reads() -> None:
    """Whole numbers of several bytes, negative ones, floats, lists, and shapes with names."""
    graph = GraphWriter()
    x = graph.input("x", FLOAT, ("B", 300))
    weights = np.arange(300 * 2, dtype=np.float32).reshape(300, 2)
    product = graph.add("MatMul", x, graph.constant(weights))
    graph.add("Transpose", graph.add("Elu", product, alpha=0.25), perm=(1, 0), into="y")
    graph.output("y", (2, "B"))
    graph.add("Softmax", "y", axis=-1)
    model = onnx.load_from_string(graph.serialize())
    onnx.checker.check_model(model)
    attributes = [onnx.helper.get_attribute_value(a) for node in model.graph.node for a in node.attribute]
    assert attributes == [0.25, [1, 0], -1]
    assert np.array_equal(numpy_helper.to_array(model.graph.initializer[0]), weights)
    value = np.ones((3, 300), np.float32)
    (found,) = ort.InferenceSession(graph.serialize()).run(["y"], {"x": value})
    assert np.allclose(found, (value @ weights).T)

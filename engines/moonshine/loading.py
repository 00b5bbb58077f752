"""Loads a model: with its graphs built anew where that works, else as it ships."""

from pathlib import Path
from typing import Final

import numpy as np

from engines.base import Floats
from engines.moonshine.built_graphs import BuiltGraphs
from engines.moonshine.checkpoints import ModelFiles
from engines.moonshine.forward_pass import ForwardPass, GraphRefused, open_session
from engines.moonshine.graph_store import graphs_of
from engines.moonshine.graphs.ort_file import UnknownGraph
from engines.moonshine.processor import lacks_avx2, overflows
from engines.moonshine.shipped_graphs import ShippedGraphs
from engines.moonshine.tokens import START
from runtime.errors import StartupError
from runtime.logs import get_logger

log = get_logger(__name__)

MOST_DIFFERENCE: Final = 0.25  # Relative rms to what ships: 8-bit integers make 0.04 to 0.09 (measured).


class NotTheSame(Exception):
    """A graph that was built anew gives other results than the one of the model's files."""


def load_model(files: ModelFiles, threads: int, data_dir: Path | None) -> ForwardPass:
    """The model, loaded. What makes it slower than it could be is logged.

    Raises:
        StartupError: the files are damaged.
    """
    if lacks_avx2():
        log.warning("this CPU has no AVX2: a forward pass takes several times as long")
    try:
        return _built(files, threads, data_dir)
    except UnknownGraph as error:
        reason = f"its files have another form: {error}"
    except (NotTheSame, GraphRefused) as error:
        reason = str(error)
    log.warning(
        "the model runs in the graphs that it ships in, which takes more CPU time",
        model=files.name, folder=str(files.folder), reason=reason,
    )  # fmt: skip
    return _shipped(files, threads)


def _built(files: ModelFiles, threads: int, data_dir: Path | None) -> BuiltGraphs:
    encoder, decoder = graphs_of(files, data_dir)
    unsigned = overflows()
    sessions = (open_session(graph, threads, unsigned=unsigned) for graph in (encoder, decoder))
    built = BuiltGraphs(*sessions)
    if not files.known:
        _compare(files, built, _shipped(files, threads))
    return built


def _shipped(files: ModelFiles, threads: int) -> ShippedGraphs:
    try:
        return ShippedGraphs(open_session(files.encoder, threads), open_session(files.decoder, threads))
    except GraphRefused as error:
        raise StartupError(f"Moonshine's files in {files.folder} are damaged: {error}") from None


def _compare(files: ModelFiles, built: BuiltGraphs, shipped: ShippedGraphs) -> None:
    """Check weights that nobody has tested by what both graphs make of a sound.

    Raises:
        NotTheSame: it differs by more than 8-bit integers explain.
    """
    sound = _sound()
    start = np.array([[START]], np.int64)
    difference = max(
        _difference(built.hidden(sound), shipped.hidden(sound)),
        _difference(*(graphs.encode([sound]).verify(start) for graphs in (built, shipped))),
    )
    if not difference <= MOST_DIFFERENCE:
        raise NotTheSame(f"they differ by {difference:.2f} from those that are built anew")
    log.info(
        "graphs were built of weights that are not known", model=files.name, difference=round(difference, 3)
    )


def _sound() -> Floats:
    """Two seconds of something like vowels."""
    times = np.arange(32_000) / 16_000
    voice = sum(np.sin(2 * np.pi * 120 * k * times) / k for k in range(1, 20))
    return np.asarray(0.1 * voice * (1 + np.sin(2 * np.pi * 4 * times)), np.float32)


def _difference(found: Floats, expected: Floats) -> float:
    """The rms of the difference, relative to the deviation of what is expected."""
    return float(np.sqrt(np.square(found - expected).mean()) / expected.std())

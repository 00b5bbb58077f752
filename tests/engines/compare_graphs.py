"""Counts the pieces of recordings in which Moonshine's graphs of 8-bit integers give the tokens of floats.

Run it with `python -m tests.engines.compare_graphs FOLDER...`. It compares three graphs, each piece decoded
alone: those that the server runs, the same with products of floats, and those that the model ships in. Those
of base compute with floats; those of tiny with 8-bit integers that are rounded in another way.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from bench.measure.in_pieces import pieces
from dalston_realtime.client.audio.files import open_audio
from dalston_realtime.client.errors import AudioError
from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Floats
from engines.moonshine.checkpoints import CHECKPOINTS, EmbeddedModel, read_files
from engines.moonshine.decoding import Hypothesized, decode
from engines.moonshine.engine import TOKENS_PER_SECOND
from engines.moonshine.forward_pass import ForwardPass, open_session
from engines.moonshine.loading import load_model
from engines.moonshine.shipped_graphs import ShippedGraphs
from engines.moonshine.tokens import START
from tests.support.float_graphs import float_graphs

LONGEST: Final = 12 * SAMPLE_RATE  # Samples of a piece: what a session decodes at most.
SEARCH: Final = 6 * SAMPLE_RATE  # Samples at the end of a piece in which its quietest point is looked for.
REST: Final = SAMPLE_RATE * 3 // 10  # Samples of silence behind a piece, as the engine asks for.
BUILT, FLOAT, SHIPPED = "built", "float", "shipped"

Graphs: TypeAlias = Mapping[str, ForwardPass]


@dataclass(frozen=True, slots=True)
class TokenComparison:
    """The tokens of a piece of a recording, by the graphs that gave them."""

    recording: str
    tokens: Mapping[str, tuple[int, ...]]


def graphs_of(model: EmbeddedModel) -> Graphs:
    """The graphs of a model, one thread each."""
    files = read_files(model)
    shipped = ShippedGraphs(open_session(files.encoder, 1), open_session(files.decoder, 1))
    return {BUILT: load_model(files, 1, None), FLOAT: float_graphs(files, 1), SHIPPED: shipped}


def compare(graphs: Graphs, name: str, sound: Floats) -> Iterator[TokenComparison]:
    """The tokens of each piece of a sound."""
    for piece in pieces(sound, LONGEST, SEARCH):
        heard = np.pad(piece, (0, REST))
        yield TokenComparison(name, {kind: _tokens(each, heard) for kind, each in graphs.items()})


def _tokens(graphs: ForwardPass, sound: Floats) -> tuple[int, ...]:
    limit = 1 + int(len(sound) / SAMPLE_RATE * TOKENS_PER_SECOND)
    sequence = Hypothesized([START], 1, limit, must_begin=True)
    decode([sequence], graphs.encode([sound]))
    return tuple(sequence.tokens)


def read_sounds(folder: Path) -> Iterator[tuple[str, Floats]]:
    """The name and the sound, mono at 16 kHz, -1..1, of each file in a folder that is a recording."""
    for path in sorted(folder.iterdir()):
        try:
            with open_audio(path) as file:
                pcm = b"".join(file.chunks)
        except AudioError:
            continue
        if pcm:
            yield path.name, np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)


def main(folders: list[str]) -> None:
    """Print how many pieces are equal, for each model and each two of the graphs, and those that are not."""
    sounds = [each for folder in folders for each in read_sounds(Path(folder))]
    for model in CHECKPOINTS.values():
        graphs = graphs_of(model)
        found = [each for name, sound in sounds for each in compare(graphs, name, sound)]
        for one, other in combinations(graphs, 2):
            differing = [each for each in found if each.tokens[one] != each.tokens[other]]
            names = ", ".join(sorted({each.recording for each in differing}))
            equal = len(found) - len(differing)
            print(f"{model.name}: {one} and {other} agree on {equal} of {len(found)} pieces; not: {names}")


if __name__ == "__main__":
    main(sys.argv[1:])

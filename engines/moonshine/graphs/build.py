"""Builds both graphs of the two files that a model ships in."""

from hashlib import sha256
from pathlib import Path
from typing import Final

from engines.moonshine.graphs.decoder import decoder_graph
from engines.moonshine.graphs.encoder import encoder_graph
from engines.moonshine.graphs.ort_file import read_graph
from engines.moonshine.graphs.weights import decoder_weights, encoder_weights

HERE: Final = Path(__file__).parent


def build_graphs(encoder: bytes, decoder: bytes) -> tuple[bytes, bytes]:
    """The encoder and the decoder anew; the same bytes each time.

    Raises:
        UnknownGraph: the files are of another model, or damaged.
    """
    of_decoder = decoder_weights(read_graph(decoder))
    return encoder_graph(encoder_weights(read_graph(encoder)), of_decoder), decoder_graph(of_decoder)


def builder_version() -> str:
    """The hash of this folder's code: what another version has built is not what this one builds."""
    files = sorted(HERE.glob("*.py"))
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()

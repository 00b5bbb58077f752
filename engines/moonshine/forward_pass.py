"""Defines what decoding needs of a model, whichever of its graphs run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from engines.base import Floats

Ints: TypeAlias = npt.NDArray[np.int64]


class Attention(Protocol):
    """The utterances of a batch, whatever tokens are decoded of them."""

    def weights(self, row: int, tokens: Sequence[int]) -> Floats:
        """How much the decoder listens to each of a row's states [L, S] behind each of the tokens."""
        ...


class DecoderState(Protocol):
    """The utterances of a batch as the decoder knows them, and the tokens that it has taken in of each."""

    def verify(self, ids: Ints) -> Floats:
        """Take in the first tokens [B, L] of all; the logits [B, L, V] behind each of them."""
        ...

    def confirm(self, counts: Sequence[int]) -> None:
        """Forget all but the first tokens of each row, so many as `counts` says."""
        ...

    def step(self, ids: Sequence[int]) -> Floats:
        """Take in one more token of each row; the logits [B, V] behind it."""
        ...

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with some rows alone."""
        ...

    def attention(self) -> "Attention | None":
        """What tells which of the utterances' states tokens listen to; None where the graphs can't."""
        ...


class ForwardPass(Protocol):
    """A model's encoder and decoder."""

    @property
    def most_rows(self) -> int:
        """The largest batch."""
        ...

    @property
    def word_times(self) -> bool:
        """Whether it tells when words are said."""
        ...

    def encode(self, audio: Sequence[Floats]) -> DecoderState:
        """The encoder on each utterance."""
        ...


class GraphRefused(Exception):
    """ONNX Runtime can't run a graph: it is damaged, or has operators that this version lacks."""


def open_session(graph: bytes | Path, threads: int, *, unsigned: bool = False) -> ort.InferenceSession:
    """A graph, loaded. `unsigned` has the products of bytes computed with unsigned weights.

    The bytes of one that is no file stay in memory as long as the session.

    Raises:
        GraphRefused: ONNX Runtime can't run it.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Idle threads that spin would take the cores of the other stages.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if unsigned:
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        source = str(graph) if isinstance(graph, Path) else graph
        return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # The library's errors have no base class of their own.
        raise GraphRefused(f"onnxruntime {ort.__version__}: {error}") from error

"""Runs the graphs of the files that a model ships in, one utterance at a time."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import onnxruntime as ort

from engines.base import Floats
from engines.moonshine.forward_pass import Ints

Cache: TypeAlias = dict[str, Floats]


class ShippedGraphs:
    """What runs where the model's graphs can't be built anew; it takes more CPU time."""

    most_rows = 1
    word_times = False

    def __init__(self, encoder: ort.InferenceSession, decoder: ort.InferenceSession) -> None:
        self._encoder = encoder
        self._decoder = decoder

    def encode(self, audio: Sequence[Floats]) -> "ShippedDecoderState":
        """The decoder's state of one utterance of 100 ms or more."""
        (only,) = audio
        mask = np.ones((1, len(only)), np.int64)
        return ShippedDecoderState(self._decoder, self.hidden(only)[None], mask)

    def hidden(self, audio: Floats) -> Floats:
        """The encoder's states [S, C]."""
        values = {"input_values": audio[None], "attention_mask": np.ones((1, len(audio)), np.int64)}
        (hidden,) = self._encoder.run(None, _known(self._encoder, values))
        return np.asarray(hidden[0], np.float32)


class ShippedDecoderState:
    """One utterance, and the keys and values of its tokens so far."""

    def __init__(self, decoder: ort.InferenceSession, hidden: Floats, mask: Ints) -> None:
        self._decoder = decoder
        self._heard = {"encoder_hidden_states": hidden, "encoder_attention_mask": mask}
        self._cache = _empty_cache(decoder)

    def verify(self, ids: Ints) -> Floats:
        """Take in the first tokens [1, L]; the logits [1, L, V] behind each of them."""
        return self._run(ids, cached=False)

    def confirm(self, counts: Sequence[int]) -> None:
        """Forget all but the first tokens."""
        (count,) = counts
        for name, value in self._cache.items():
            if ".decoder." in name:
                self._cache[name] = value[:, :, :count]

    def step(self, ids: Sequence[int]) -> Floats:
        """Take in one more token; the logits [1, V] behind it."""
        return self._run(np.array([ids], np.int64), cached=True)[:, -1]

    def keep(self, rows: Sequence[int]) -> None:
        """Nothing: there is one row."""

    def attention(self) -> None:
        """Nothing: these graphs do not tell."""

    def _run(self, ids: Ints, *, cached: bool) -> Floats:
        values = {"input_ids": ids, "use_cache_branch": np.array([cached]), **self._heard, **self._cache}
        logits, *present = self._decoder.run(None, _known(self._decoder, values))
        names = [
            output.name.replace("present", "past_key_values") for output in self._decoder.get_outputs()[1:]
        ]
        # The keys and values of the utterance are computed in the first pass alone.
        new = dict(zip(names, present, strict=True))
        self._cache |= {name: value for name, value in new.items() if not cached or ".decoder." in name}
        return np.asarray(logits, np.float32)


def _known(session: ort.InferenceSession, values: dict[str, Any]) -> dict[str, Any]:
    """Those that the graph takes: base has no masks."""
    names = {each.name for each in session.get_inputs()}
    return {name: value for name, value in values.items() if name in names}


def _empty_cache(decoder: ort.InferenceSession) -> Cache:
    """A cache for the first pass, which computes all keys and values: only its shape matters."""
    past = [each for each in decoder.get_inputs() if each.name.startswith("past_key_values.")]
    return {each.name: np.zeros((1, each.shape[1], 1, each.shape[3]), np.float32) for each in past}

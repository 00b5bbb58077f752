"""Runs the graphs that `engines.moonshine.graphs` builds."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
import onnxruntime as ort

from engines.base import Floats
from engines.moonshine.forward_pass import Ints
from engines.moonshine.graphs.encoder import BLOCK, KERNELS, states_of

Values: TypeAlias = dict[str, ort.OrtValue]

ASKED: Final = "asked."  # Before the layer's number, the output by which tokens choose what they listen to.
HIDDEN_FROM: Final = np.float32(-1e9)  # Added to a score of attention, so that its weight becomes 0.


class BuiltGraphs:
    """The encoder runs on one utterance at a time: what it makes of one does not depend on the others.

    The decoder runs on all of a batch, each row at its own position.
    """

    most_rows = 1_024
    word_times = True

    def __init__(self, encoder: ort.InferenceSession, decoder: ort.InferenceSession) -> None:
        self._encoder = encoder
        self._decoder = decoder
        self._cross = [output.name for output in encoder.get_outputs() if output.name.startswith("cross.")]

    def encode(self, audio: Sequence[Floats]) -> "BuiltDecoderState":
        """The decoder's state of utterances of 100 ms or more."""
        return BuiltDecoderState(self._decoder, [self._encode_one(each) for each in audio])

    def hidden(self, audio: Floats) -> Floats:
        """The encoder's states [S, C], as the files that ship have them."""
        (states,) = self._encoder.run_with_ort_values(["hidden"], _blocks(audio))
        return np.asarray(states.numpy()[0], np.float32)

    def _encode_one(self, audio: Floats) -> Values:
        found = self._encoder.run_with_ort_values(self._cross, _blocks(audio))
        return dict(zip(self._cross, found, strict=True))


def _blocks(audio: Floats) -> Values:
    """The encoder's inputs: the samples that its states depend on, and which frames are of the utterance."""
    states = states_of(len(audio))
    blocks = np.zeros((6 * states + 13) * BLOCK, np.float32)
    size = min(len(audio), len(blocks))
    blocks[:size] = audio[:size]
    frames = np.zeros((1, 6 * states + 12, 1), np.float32)
    frames[:, : (len(audio) - KERNELS[0]) // BLOCK + 1] = 1
    return {"blocks": _value(blocks.reshape(1, -1, BLOCK)), "frames": _value(frames)}


class BuiltDecoderState:
    """The keys and values of a batch: of the utterances, padded to the longest, and of the tokens so far."""

    def __init__(self, decoder: ort.InferenceSession, utterances: Sequence[Values]) -> None:
        self._decoder = decoder
        self._cross = _stacked(utterances)
        self._lengths = [next(iter(each.values())).shape()[2] for each in utterances]
        self._heard = _mask(self._lengths, max(self._lengths))
        self._positions = np.zeros(len(utterances), np.int64)
        self._past = _no_tokens(self._cross, len(utterances))
        self._outputs = ["logits", *(name.replace("past", "present") for name in self._past)]
        self._own = np.zeros((len(utterances), 1, 1, 0), np.float32)

    @property
    def cross(self) -> dict[str, Floats]:
        """The keys and values of the utterances [B, 8, S, d], by the names that the graphs give them."""
        return {name: value.numpy() for name, value in self._cross.items()}

    def attention(self) -> "BuiltAttention":
        """What tells which of the utterances' states tokens listen to."""
        return BuiltAttention(self._decoder, self._cross, self._lengths)

    def verify(self, ids: Ints) -> Floats:
        """Take in the first tokens [B, L] of all; the logits [B, L, V] behind each of them."""
        rows, length = ids.shape
        positions = np.broadcast_to(np.arange(length), ids.shape)
        return self._run(ids, positions, np.broadcast_to(_earlier(length), (rows, 1, length, length)))

    def confirm(self, counts: Sequence[int]) -> None:
        """Hide all but the first tokens of each row."""
        taken_in = next(iter(self._past.values())).shape()[2]
        self._positions = np.array(counts, np.int64)
        self._own = _mask(counts, taken_in)

    def step(self, ids: Sequence[int]) -> Floats:
        """Take in one more token of each row, at the row's own position; the logits [B, V] behind it."""
        this = np.zeros((len(ids), 1, 1, 1), np.float32)
        self._own = np.concatenate([self._own, this], axis=3)
        logits = self._run(np.array(ids, np.int64)[:, None], self._positions[:, None], self._own)
        self._positions += 1
        return logits[:, -1]

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with some rows alone."""
        at = list(rows)
        self._cross, self._past = _rows(self._cross, at), _rows(self._past, at)
        self._heard, self._own, self._positions = self._heard[at], self._own[at], self._positions[at]

    def _run(self, ids: Ints, positions: Ints, own: Floats) -> Floats:
        rows, length = ids.shape
        heard = np.broadcast_to(self._heard, (rows, 1, length, self._heard.shape[3]))
        inputs: dict[str, Floats | Ints] = {"ids": ids, "positions": positions, "own": own, "heard": heard}
        feed = {name: _value(value) for name, value in inputs.items()} | self._cross | self._past
        logits, *present = self._decoder.run_with_ort_values(self._outputs, feed)
        self._past = dict(zip(self._past, present, strict=True))
        return np.asarray(logits.numpy(), np.float32)


class BuiltAttention:
    """The keys and values of the utterances of a batch, each of so many states."""

    def __init__(self, decoder: ort.InferenceSession, cross: Values, lengths: Sequence[int]) -> None:
        self._decoder, self._cross, self._lengths = decoder, cross, lengths
        self._outputs = [each.name for each in decoder.get_outputs() if each.name.startswith(ASKED)]

    def weights(self, row: int, tokens: Sequence[int]) -> Floats:
        """How much the decoder listens to each of a row's states [L, S] behind each of the tokens.

        It is the mean of the heads of the layers that know where they are.
        """
        length, states = len(tokens), self._lengths[row]
        cross = {name: value.numpy()[row : row + 1, :, :states] for name, value in self._cross.items()}
        inputs: dict[str, Floats | Ints] = {
            "ids": np.array([tokens], np.int64),
            "positions": np.arange(length)[None],
            "own": _earlier(length)[None, None],
            "heard": np.zeros((1, 1, length, states), np.float32),
        }
        feed = {name: _value(value) for name, value in (inputs | cross).items()} | _no_tokens(self._cross, 1)
        asked = self._decoder.run_with_ort_values(self._outputs, feed)
        keys = (cross[f"cross.{name.removeprefix(ASKED)}.k"][0] for name in self._outputs)
        found = [_softmax(_scores(each.numpy()[0], key)) for each, key in zip(asked, keys, strict=True)]
        return np.asarray(np.concatenate(found).mean(axis=0), np.float32)


def _scores(asked: Floats, keys: Floats) -> Floats:
    """The scores [H, L, S] of what is asked for, [L, H * d], with the keys [H, S, d]."""
    heads, _, size = keys.shape
    queries = asked.reshape(-1, heads, size).transpose(1, 0, 2)
    return queries @ keys.transpose(0, 2, 1) / np.float32(np.sqrt(size))


def _softmax(scores: Floats) -> Floats:
    odds = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True), np.float32)


def _earlier(length: int) -> Floats:
    """What shows each of so many tokens itself and those before it [L, L]."""
    return np.where(np.tri(length, dtype=bool), np.float32(0), HIDDEN_FROM)


def _no_tokens(cross: Values, rows: int) -> Values:
    """The keys and values of no tokens."""
    _, heads, _, size = next(iter(cross.values())).shape()
    nothing = _value(np.zeros((rows, heads, 0, size), np.float32))
    return {name.replace("cross", "past"): nothing for name in cross}


def _stacked(utterances: Sequence[Values]) -> Values:
    """Several utterances as one batch, padded with zeros."""
    if len(utterances) == 1:
        return dict(utterances[0])
    return {name: _value(_padded([each[name].numpy() for each in utterances])) for name in utterances[0]}


def _padded(values: Sequence[Floats]) -> Floats:
    """Arrays [1, H, S, d] as one [B, H, S, d]."""
    _, heads, _, size = values[0].shape
    found = np.zeros((len(values), heads, max(each.shape[2] for each in values), size), np.float32)
    for row, each in enumerate(values):
        found[row, :, : each.shape[2]] = each[0]
    return found


def _rows(values: Mapping[str, ort.OrtValue], at: list[int]) -> Values:
    return {name: _value(value.numpy()[at]) for name, value in values.items()}


def _mask(lengths: Sequence[int], longest: int) -> Floats:
    """[B, 1, 1, longest]: 0 up to the length of each row, and from there on what hides."""
    shown = np.arange(longest) < np.array(lengths)[:, None]
    return np.where(shown, np.float32(0), HIDDEN_FROM)[:, None, None]


def _value(array: Floats | Ints) -> ort.OrtValue:
    return ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array))

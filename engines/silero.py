"""Computes Silero VAD in numpy: the probability of speech in each window of several sessions.

The network and its weights are those of the package `silero-vad`: its `tinygrad_model.py` shows the network
in 30 lines, engines/weights/README.md says how the weights came here. All windows of all sessions go through
the convolutions together, a session's windows one behind the other through the LSTM cell. On ONNX Runtime,
which takes one window of each session at a time, the same costs two to four times as much (measured).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from engines.base import Floats
from runtime.errors import StartupError

Weights: TypeAlias = dict[str, Floats]

REMEDY: Final = "it comes with the package: install dalston-realtime again"
WINDOW: Final = 512  # samples (32 ms): what Silero VAD takes at 16 kHz
WEIGHTS: Final = Path(__file__).parent / "weights" / "silero_vad_16k.npz"
CONTEXT: Final = 64  # samples of the window before that the network sees again, and of padding behind it
FRAME, HOP, FRAMES = 256, 128, 4  # of the spectrum: samples in a frame, between two, frames in a window
BINS: Final = FRAME // 2 + 1
HIDDEN: Final = 128  # size of the LSTM cell


class VadState:
    """What the network remembers of one session."""

    __slots__ = ("cell", "context", "hidden")

    def __init__(self) -> None:
        self.hidden: Floats = np.zeros(HIDDEN, np.float32)
        self.cell: Floats = np.zeros(HIDDEN, np.float32)
        self.context: Floats = np.zeros(CONTEXT, np.float32)

    def skip(self, sound: Floats) -> None:
        """Sound that the network does not get, which is silence like what it had before."""
        self.context = sound[-CONTEXT:].copy()


class SileroVad:
    """The network; one instance serves all sessions of a process.

    Raises:
        StartupError: the weights are missing or not those; says what to do.
    """

    def __init__(self, path: Path = WEIGHTS) -> None:
        if not path.is_file():
            raise StartupError(f"the VAD's weights are not at {path}; {REMEDY}")
        try:
            w = _read(path)
            names = [f"encoder.{k}.reparam_conv" for k in range(4)]
            self._convolutions = [(_taps(w[f"{name}.weight"]), _floats(w[f"{name}.bias"])) for name in names]
            self._cell = _cell(w)
            self._out = _floats(w["decoder.decoder.2.weight"][0, :, 0])
            self._out_bias = w["decoder.decoder.2.bias"]
        except (KeyError, ValueError, IndexError) as error:
            raise StartupError(f"{path} has not the VAD's weights ({error}); {REMEDY}") from None
        self._window = np.hanning(FRAME + 1)[:-1].astype(np.float32)  # the basis of the weights: a Hann DFT

    def __call__(self, sounds: Sequence[Floats], states: Sequence[VadState]) -> list[Floats]:
        """Speech probabilities [n] of the n windows of 512 samples (-1..1) in each session's sound [n * 512].

        The states move on.
        """
        counts = [len(sound) // WINDOW for sound in sounds]
        windows = np.concatenate(sounds).reshape(-1, WINDOW)
        firsts = np.cumsum([0, *counts[:-1]])
        features = self._encode(self._spectra(windows, firsts, states))
        for state, end in zip(states, firsts + counts, strict=True):
            state.context = windows[end - 1, -CONTEXT:].copy()
        return self._decode(features, firsts, counts, states)

    def _spectra(self, windows: Floats, firsts: npt.NDArray[np.intp], states: Sequence[VadState]) -> Floats:
        """Magnitudes [W, 4 * 129] of the frames of each window, in its context and padded by reflection."""
        padded = np.empty((len(windows), CONTEXT + WINDOW + CONTEXT), np.float32)
        padded[1:, :CONTEXT] = windows[:-1, -CONTEXT:]
        padded[firsts, :CONTEXT] = np.stack([state.context for state in states])
        padded[:, CONTEXT:-CONTEXT] = windows
        padded[:, -CONTEXT:] = windows[:, -2 : -CONTEXT - 2 : -1]
        rows, step = padded.strides
        shape, strides = (len(windows), FRAMES, FRAME), (rows, HOP * step, step)
        frames = np.lib.stride_tricks.as_strided(padded, shape, strides, writeable=False)
        spectrum = np.fft.rfft(frames * self._window)
        return np.abs(spectrum).astype(np.float32, copy=False).reshape(len(windows), FRAMES * BINS)

    def _encode(self, x: Floats) -> Floats:
        """Features [W, 128] of spectra [W, 4 * 129]: four convolutions over the frames, padded by one.

        The frames of a window lie side by side, so three neighbours are one slice, and what would be
        multiplied by the padding is left out.
        """
        (one, bias1), (two, bias2), (three, bias3), (four, bias4) = self._convolutions
        y = np.empty((len(x), FRAMES, HIDDEN), np.float32)
        y[:, 0] = x[:, : 2 * BINS] @ one[BINS:]
        y[:, 1] = x[:, : 3 * BINS] @ one
        y[:, 2] = x[:, BINS:] @ one
        y[:, 3] = x[:, 2 * BINS :] @ one[: 2 * BINS]
        x = _relu(y, bias1).reshape(len(x), FRAMES * HIDDEN)
        half = two.shape[1]
        y = np.empty((len(x), 2, half), np.float32)
        y[:, 0] = x[:, : 2 * HIDDEN] @ two[HIDDEN:]
        y[:, 1] = x[:, HIDDEN:] @ two
        x = _relu(y, bias2).reshape(len(x), 2 * half)
        x = _relu(x @ three[half:], bias3)
        return _relu(x @ four[half : 2 * half], bias4)

    def _decode(
        self,
        features: Floats,
        firsts: npt.NDArray[np.intp],
        counts: Sequence[int],
        states: Sequence[VadState],
    ) -> list[Floats]:
        """Each session's windows through the LSTM cell; the probabilities that come out."""
        inputs, recurrent, bias = self._cell
        driven = _floats(features @ inputs + bias)
        order = np.argsort(-np.array(counts), kind="stable")  # who has most windows first: a step is a prefix
        hidden = np.stack([states[i].hidden for i in order])
        cell = np.stack([states[i].cell for i in order])
        heard = np.empty((len(features), HIDDEN), np.float32)
        for step in range(max(counts)):
            active = sum(count > step for count in counts)
            at = firsts[order[:active]] + step
            gates = driven[at] + hidden[:active] @ recurrent
            hidden[:active], cell[:active] = _lstm(gates, cell[:active])
            heard[at] = hidden[:active]
        for i, h, c in zip(order, hidden, cell, strict=True):
            states[i].hidden, states[i].cell = h, c
        logits = np.maximum(heard, 0) @ self._out + self._out_bias
        return np.split(_sigmoid(logits), firsts[1:])


def _lstm(gates: npt.NDArray[Any], cell: Floats) -> tuple[Floats, Floats]:
    """Hidden and cell state after one step. Input, forget and output gates come halved (see `_cell`).

    A sigmoid is a tanh of half the argument, shifted: one tanh does for all four gates.
    """
    gates = np.tanh(gates)
    keep, new = gates[:, HIDDEN : 2 * HIDDEN], gates[:, 2 * HIDDEN : 3 * HIDDEN]
    cell = 0.5 * ((keep + 1) * cell + (gates[:, :HIDDEN] + 1) * new)
    return _floats(0.5 * (gates[:, 3 * HIDDEN :] + 1) * np.tanh(cell)), cell


def _cell(w: Weights) -> tuple[Floats, Floats, Floats]:
    """The LSTM cell's matrices [128, 512] and bias [512], with the sigmoid gates halved."""
    scale = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], np.float32), HIDDEN)  # input, forget, new, output
    bias = (w["decoder.rnn.bias_ih"] + w["decoder.rnn.bias_hh"]) * scale
    inputs, recurrent = (_floats(w[f"decoder.rnn.weight_{side}"].T * scale) for side in ("ih", "hh"))
    return inputs, recurrent, _floats(bias)


def _taps(weight: Floats) -> Floats:
    """A convolution's weight [out, in, 3] as a matrix [3 * in, out]."""
    return _floats(weight.transpose(2, 1, 0).reshape(-1, weight.shape[0]))


def _relu(x: Floats, bias: Floats) -> Floats:
    x += bias
    return np.maximum(x, 0, out=x)


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(0.5 * (np.tanh(0.5 * x) + 1), np.float32)


def _floats(x: Any) -> Floats:
    return np.ascontiguousarray(x, np.float32)


def _read(path: Path) -> Weights:
    """The arrays of a file of weights by name.

    Raises:
        ValueError: it is no such file.
    """
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            return dict(arrays)
    except (BadZipFile, EOFError, OSError, TypeError) as error:
        raise ValueError(error) from None

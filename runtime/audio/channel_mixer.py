"""Mixes the channels of one stream down to one, without cancelling a channel of opposite phase."""

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]

BLOCKS_PER_SECOND: Final = 50  # Blocks of 20 ms: a decision is made for each, and holds from the next one on.
ENOUGH: Final = 8  # Blocks in a row (160 ms) in which the channels must cancel each other: less is chance.
ORDINARY: Final = 25  # Blocks (0.5 s) with a mix that is heard, after which the channels are ordinary ones.
LEAST: Final = 1e-6  # Mean square of a block (-60 dB) below which it says nothing: it may be mere noise.
CANCELLED: Final = 0.01
"""Energy of the mix against the mean of the channels (-20 dB), below which they cancel each other. Channels
without relation have a half, ordinary stereo more, a balanced line taken for two channels a thousandth."""


class ChannelMixer:
    """Takes frames of `channels` samples; the mix does not depend on how the stream is cut into pieces."""

    def __init__(self, channels: int, sample_rate: int) -> None:
        self._channels = channels
        self._block = sample_rate // BLOCKS_PER_SECOND
        self._left = self._block  # frames until the block is complete
        self._products = np.zeros((channels, channels))  # of each two channels, over the block so far
        self._cancelling = 0  # blocks in a row
        self._ordinary = 0  # blocks in all
        self._signs = np.ones(channels, np.float32)

    @property
    def inverted(self) -> tuple[int, ...]:
        """The channels that are inverted before they are mixed, counted from 1."""
        return tuple(int(channel) + 1 for channel in np.flatnonzero(self._signs < 0))

    def mix(self, samples: Floats) -> Floats:
        """The mix of interleaved samples, of whole frames."""
        frames = samples.reshape(-1, self._channels)
        parts: list[Floats] = []
        at = 0
        while at < len(frames):
            part = frames[at : at + self._left]
            parts.append(np.mean(part * self._signs if self.inverted else part, axis=1, dtype=np.float32))
            self._measure(part)
            at += len(part)
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def _measure(self, part: Floats) -> None:
        wide = part.astype(np.float64)
        self._products += wide.T @ wide
        self._left -= len(part)
        if not self._left:
            self._decide()
            self._left, self._products = self._block, np.zeros_like(self._products)

    def _decide(self) -> None:
        """Invert the channels that oppose the loudest one, once the mix was cancelled for long enough."""
        energy = float(np.trace(self._products)) / self._channels
        if energy < LEAST * self._block or self._ordinary >= ORDINARY:
            return
        mixed = float(self._signs @ self._products @ self._signs) / self._channels**2
        if mixed >= CANCELLED * energy:
            self._cancelling, self._ordinary = 0, self._ordinary + (not self.inverted)
            return
        self._cancelling += 1
        if self._cancelling == ENOUGH:
            loudest = int(np.argmax(np.diag(self._products)))
            self._signs = np.where(self._products[loudest] < 0, -1, 1).astype(np.float32)
            self._cancelling = 0

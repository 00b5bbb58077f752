"""Recognizes telephone audio (mu-law or A-law, a byte a sample) in what was announced as 16-bit samples."""

from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from dalston_realtime.protocol.audio import Encoding

Telephone: TypeAlias = Literal["mulaw", "alaw"]
Bytes: TypeAlias = npt.NDArray[np.uint8]
Levels: TypeAlias = npt.NDArray[np.float32]

BLOCK_BYTES: Final = 4_096  # Judged together: 128 ms as 16-bit samples, 512 ms of a phone call.
ENOUGH: Final = 3  # Blocks in a row, silence not counted, that must be telephone audio before it is said.
PLAIN: Final = 40  # Blocks of 16-bit samples (5 s of sound) after which the stream is not judged any more.
QUIET: Final = 2_048  # 16-bit value, -24 dB: below it the upper byte of a real sample says too little.
LOUD: Final = 0.2  # Share of 16-bit values above QUIET; of telephone audio with speech half and more are.
RELATED: Final = 0.6
"""Correlation of the two bytes of a 16-bit value, each read as a telephone sample. They are neighbours in
telephone audio (speech: 0.5 at one block of ten, 0.9 at the median), and in 16-bit samples the lower one is
as good as random (0.06 at 99 blocks of 100)."""

UNRELATED: Final = 0.3  # Correlation below which the bytes are surely those of 16-bit samples.
LEVELS: Final = 8
"""Different upper bytes, and differences of the two bytes, below which nothing can be said: a square wave has
two of the first, and 16-bit samples that were made of 8-bit ones by doubling each byte two of the second."""


class EncodingSniffer:
    """Looks at the blocks of one stream until it has heard enough that is as announced."""

    def __init__(self, *, goes_on: bool) -> None:
        self._block = b""
        self._plain = PLAIN if goes_on else 0
        self._found: list[Telephone] = []

    @property
    def found(self) -> Telephone | None:
        """What the stream is instead of 16-bit samples, as far as it has come; None: nothing else."""
        if len(self._found) < ENOUGH:
            return None
        return max(sorted(set(self._found)), key=self._found.count)

    @property
    def is_suspected(self) -> bool:
        """Whether the last block that says anything was telephone audio; what may be is not heard."""
        return bool(self._found)

    def inspect(self, data: bytes) -> None:
        """Look at the next bytes, of which the first are those of the first sample."""
        if self._plain >= PLAIN:
            return
        self._block += data
        whole = len(self._block) - len(self._block) % BLOCK_BYTES
        for at in range(0, whole, BLOCK_BYTES):
            self._judge(np.frombuffer(self._block, np.uint8, BLOCK_BYTES, at))
        self._block = self._block[whole:]

    def _judge(self, block: Bytes) -> None:
        verdict = telephone_block(block)
        if verdict is None:
            return
        if verdict == "plain":
            self._found.clear()
            self._plain += 1
        else:
            self._found.append(verdict)
            del self._found[:-PLAIN]


def telephone_block(block: Bytes) -> Telephone | Literal["plain"] | None:
    """What the bytes of some 16-bit values are; None where this block does not tell."""
    values = block.view("<i2")
    # Below -QUIET or above QUIET, in one comparison.
    loud = values.view("<u2") + np.uint16(QUIET) > 2 * QUIET
    if np.count_nonzero(loud) < LOUD * len(loud):  # Speech that is not loud never gets further.
        return None
    loud &= np.abs(values, dtype=np.int32) < 32_767  # Clipped samples have bytes of their own: 7F FF, 80 00.
    if np.count_nonzero(loud) < LOUD * len(loud):
        return None
    low, high = block[::2][loud], block[1::2][loud]
    if min(len(np.unique(high)), len(np.unique(low - high))) < LEVELS:
        return None
    related = max(_correlation(levels[low], levels[high]) for levels in (MULAW, ALAW))
    if related < RELATED:
        return "plain" if related < UNRELATED else None
    return "mulaw" if _crossing_level(block, MULAW) < _crossing_level(block, ALAW) else "alaw"


def _crossing_level(block: Bytes, levels: Levels) -> float:
    """The mean loudness where the wave crosses zero, which is low if these are the right levels."""
    crossings = np.flatnonzero((block[1:] ^ block[:-1]) & 128)
    return float(np.abs(levels[block[crossings]]).mean()) if len(crossings) else 0.0


def describe_encoding(found: Telephone, announced: Encoding) -> str:
    """What was seen, and what would be right."""
    name = "mu-law" if found == "mulaw" else "A-law"
    return (
        f"the audio looks like {name}, a byte a sample, but encoding={announced} has two: "
        f"connect with encoding={found}, and with sample_rate=8000 if it is a call; it is taken as silence"
    )


def _mulaw_levels() -> Levels:
    """The steps of loudness, -127 to 127: G.711 inverts all bits, and a set sign bit is negative."""
    code = ~np.arange(256, dtype=np.uint8)
    return np.where(code & 128, -1, 1) * (code & 127).astype(np.float32)


def _alaw_levels() -> Levels:
    """The same for A-law, which inverts every other bit, and whose set sign bit is positive."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    return np.where(code & 128, 1, -1) * (code & 127).astype(np.float32)


MULAW: Final = _mulaw_levels()
ALAW: Final = _alaw_levels()


def _correlation(one: Levels, other: Levels) -> float:
    one, other = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / scale if scale > 0 else 0.0

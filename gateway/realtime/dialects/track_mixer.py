"""Makes one stream of several channels out of tracks that come each by itself."""

from collections.abc import Sequence


class TrackMixer:
    """Interleaves tracks; one that is more than `most_behind` samples behind is filled up with `silence`.

    `silence` is one sample of it, in the encoding of the tracks.
    """

    def __init__(self, tracks: Sequence[str], silence: bytes, most_behind: int) -> None:
        self.tracks = tuple(tracks)
        self._silence, self._most_behind = silence, most_behind
        self._waiting = {track: bytearray() for track in self.tracks}

    def append(self, track: str, data: bytes) -> bytes:
        """Take a piece of one track; returns the samples for which there is something of each track."""
        if track not in self._waiting:
            return b""
        self._waiting[track] += data
        longest = max(map(len, self._waiting.values()))
        self._fill_up(longest - self._most_behind * len(self._silence))
        return self._interleave()

    def drain(self) -> bytes:
        """What is left, when nothing more comes."""
        self._fill_up(max(map(len, self._waiting.values())))
        return self._interleave()

    def _fill_up(self, length: int) -> None:
        width = len(self._silence)
        for waiting in self._waiting.values():
            if (lacks := (length - len(waiting)) // width) > 0:
                waiting.extend(self._silence * lacks)

    def _interleave(self) -> bytes:
        width, count = len(self._silence), len(self.tracks)
        samples = min(map(len, self._waiting.values())) // width
        mixed = bytearray(samples * width * count)
        for channel, waiting in enumerate(self._waiting.values()):
            for byte in range(width):
                taken = waiting[byte : samples * width : width]
                mixed[channel * width + byte :: width * count] = taken
            del waiting[: samples * width]
        return bytes(mixed)

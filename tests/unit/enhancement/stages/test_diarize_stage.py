"""Checks that a recording is read in parts while speakers are told apart."""

from io import BytesIO

import numpy as np

from enhancement.audio_reader import AudioReader
from enhancement.stages.diarize import ReadSamples
from storage.recordings.wav import joined_format


class CountingFile(BytesIO):
    """Knows the most bytes that were read at once."""

    most = 0

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.most = max(self.most, len(found))
        return found


def test_only_the_parts_that_are_asked_for_are_read() -> None:
    pcm = np.arange(-8_000, 8_000, dtype="<i2")
    file = CountingFile(joined_format(1).header(len(pcm)) + pcm.tobytes())
    samples, whole = ReadSamples(AudioReader(file)), pcm.astype(np.float32) / 32_768
    assert len(samples) == len(pcm)
    for part in (slice(0, 100), slice(15_900, 16_100), slice(17_000, 18_000), slice(15_990, None)):
        assert np.array_equal(samples[part], whole[part])
    assert file.most <= 200

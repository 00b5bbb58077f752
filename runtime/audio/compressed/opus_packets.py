"""Decodes raw Opus packets, each of which comes in a frame of its own."""

from typing import Any, Final

from runtime.audio.compressed.errors import UnreadableStream
from runtime.audio.compressed.frame_converter import FrameConverter

RATE: Final = 48_000  # Hz in which Opus decodes, whatever was encoded.
MAX_PACKET: Final = 1_275 * 6 * 8  # Bytes: six frames of 20 ms of the largest size, in eight streams.
MAX_BAD: Final = 50  # Packets in a row (a second) that can't be decoded, then the stream is something else.

MAPPINGS: Final[dict[int, tuple[int, int, tuple[int, ...]]]] = {
    1: (1, 0, (0,)),
    2: (1, 1, (0, 1)),
    3: (2, 1, (0, 2, 1)),
    4: (2, 2, (0, 1, 2, 3)),
    5: (3, 2, (0, 4, 1, 2, 3)),
    6: (4, 2, (0, 4, 1, 2, 3, 5)),
    7: (4, 3, (0, 4, 1, 2, 3, 5, 6)),
    8: (5, 3, (0, 6, 1, 2, 3, 4, 5, 7)),
}
"""Streams, coupled streams and the place of each channel, by the number of channels (RFC 7845, 5.1.1.2)."""


class OpusPackets:
    """Decodes the packets of one session with `channels` channels, of which `separate` are kept apart."""

    def __init__(self, channels: int, separate: int) -> None:
        import av

        self._av = av
        self._context: Any = av.CodecContext.create("opus", "r")
        self._context.extradata = opus_head(channels)
        self._converter = FrameConverter(separate)
        self._bad = 0  # Packets in a row.

    def decode(self, packet: bytes) -> bytes | None:
        """The samples that a packet completes; None where it can't be decoded.

        Raises:
            UnreadableStream: too many in a row can't.
        """
        try:
            frames = [] if len(packet) > MAX_PACKET else self._context.decode(self._av.Packet(packet))
        except (self._av.FFmpegError, ValueError):
            frames = []
        if not frames:
            self._bad += 1
            if self._bad >= MAX_BAD:
                raise UnreadableStream(
                    f"{MAX_BAD} frames in a row are no Opus packets; a frame must be one packet without a"
                    " container: set encoding=container for Ogg or WebM"
                )
            return None
        self._bad = 0
        for frame in frames:
            self._converter.append(frame)
        return self._converter.take()

    def drain(self) -> bytes:
        """What the resampler holds back; more may follow."""
        self._converter.drain()
        return self._converter.take()


def opus_head(channels: int) -> bytes:
    """The header with which a decoder begins, of a stream without any delay to skip."""
    head = b"OpusHead\x01" + bytes([channels]) + b"\0\0" + RATE.to_bytes(4, "little") + b"\0\0"
    if channels <= 2:
        return head + b"\0"
    streams, coupled, mapping = MAPPINGS[channels]
    return head + bytes([1, streams, coupled, *mapping])

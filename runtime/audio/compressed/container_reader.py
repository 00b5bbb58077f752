"""Decodes a container as it grows: WebM, Ogg, MP4, MP3, FLAC or WAV, told apart by its first bytes.

FFmpeg reads more than audio files: playlists that name other files and addresses, among others. Only the
format that the first bytes name is tried, with decoders of audio alone, and it may open nothing else.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from runtime.audio.compressed.errors import UnreadableStream
from runtime.audio.compressed.frame_converter import FrameConverter
from runtime.audio.container_sniffer import HEAD_BYTES, WAV, container_of

Read = Callable[[int], bytes]
"""Gives up to so many bytes, waiting for them; none at the end."""

FORMATS: Final = {
    WAV: "wav",
    "WebM or Matroska": "matroska",
    "Ogg": "ogg",
    "FLAC": "flac",
    "MP4": "mov",
    "MP3": "mp3",
}
"""What FFmpeg calls what the first bytes look like."""

CODECS: Final = (
    "opus,libopus,vorbis,aac,mp1,mp1float,mp2,mp2float,mp3,mp3float,flac,alac,pcm_s8,pcm_u8,pcm_s16le,"
    "pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,pcm_mulaw,pcm_alaw"
)
OPTIONS: Final = {
    "codec_whitelist": CODECS,
    "protocol_whitelist": "none",
    "probesize": "32",  # Bytes; the format is known, and a live stream is read no further than it must be.
    "analyzeduration": "0",
}
BUFFER: Final = 4_096  # Bytes that are read at a time.
MAX_BAD: Final = 50  # Packets in a row that can't be decoded, then the stream is broken.
UNKNOWN: Final = (
    "the audio begins like no container that is known here: WebM, Ogg, MP4/M4A, MP3, FLAC and WAV are;"
    " plain samples need encoding=pcm_s16le"
)
LATE_INDEX: Final = (
    "the MP4 has its index (moov) behind its audio, so it can't be decoded as it comes: write it with"
    " ffmpeg -movflags +faststart or +frag_keyframe+empty_moov, or record WebM or fragmented MP4"
)


class ContainerReader:
    """Reads one container; `read` waits for its bytes, so this has a thread of its own."""

    def __init__(self, read: Read, separate: int) -> None:
        """The channels are mixed, or `separate` of them kept apart."""
        self._read, self._separate = read, separate
        self.converter = FrameConverter(separate)
        self.damaged = 0  # Packets that were left out.

    def frames(self) -> Iterator[None]:
        """Decode frame by frame; the converter has the audio.

        Raises:
            UnreadableStream: it is no container, or a broken one.
        """
        import av

        head = self._read_head()
        if not head:
            return
        name = container_of(head)
        if name is None:
            raise UnreadableStream(UNKNOWN)
        source = _GrowingFile(head, self._read, is_mp4=name == "MP4")
        try:
            with av.open(source, "r", FORMATS[name], options=OPTIONS, buffer_size=BUFFER) as container:
                yield from self._decoded(av, container)
        except (av.FFmpegError, ValueError, UnicodeError) as error:
            if source.ended and not source.failed:
                return  # It breaks off, as streams do.
            raise source.failed or UnreadableStream(f"the {name} stream can't be read: {error}") from None

    def _read_head(self) -> bytes:
        """The first bytes, as many as tell what they are."""
        head = b""
        while len(head) < HEAD_BYTES and container_of(head) is None:
            more = self._read(HEAD_BYTES - len(head))
            if not more:
                break
            head += more
        return head

    def _decoded(self, av: Any, container: Any) -> Iterator[None]:
        if not container.streams.audio:
            raise UnreadableStream("there is no audio in the container")
        bad = 0
        for packet in container.demux(container.streams.audio[0]):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self.damaged, bad = self.damaged + 1, bad + 1
                if bad >= MAX_BAD:
                    raise UnreadableStream(f"{MAX_BAD} packets in a row can't be decoded") from None
                continue
            bad = 0
            for frame in frames:
                self.converter.append(frame)
                yield


class _GrowingFile:
    """The bytes of a container as a file that can't seek."""

    def __init__(self, head: bytes, read: Read, *, is_mp4: bool) -> None:
        self._head, self._read = head, read
        self._boxes = Mp4Boxes() if is_mp4 else None
        self.ended = False
        self.failed: UnreadableStream | None = None

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end, or where it is known that they are of no use."""
        if self.failed:
            return b""
        data, self._head = self._head[:size], self._head[size:]
        data = data or self._read(size)
        self.ended = self.ended or not data
        if self._boxes is not None and self._boxes.has_late_index(data):
            self.failed = UnreadableStream(LATE_INDEX)
            return b""
        return data


class Mp4Boxes:
    """Looks at the outermost boxes of an MP4, until it is known whether its index comes before its audio."""

    def __init__(self) -> None:
        self._pending = b""
        self._skip = 0  # Bytes of the box that is passed over.
        self._known = False

    def has_late_index(self, data: bytes) -> bool:
        """Whether the audio has begun, and no index has come before it."""
        while data and not self._known:
            skipped = min(self._skip, len(data))
            self._skip, data = self._skip - skipped, data[skipped:]
            self._pending, data = (
                self._pending + data[: 16 - len(self._pending)],
                data[16 - len(self._pending) :],
            )
            if len(self._pending) < 16:
                return False
            size, kind = int.from_bytes(self._pending[:4], "big"), self._pending[4:8]
            self._known = kind in (b"moov", b"mdat", b"moof")
            if kind == b"mdat":
                return True
            size = int.from_bytes(self._pending[8:], "big") if size == 1 else size
            self._skip, data, self._pending = max(8, size), self._pending + data, b""
        return False

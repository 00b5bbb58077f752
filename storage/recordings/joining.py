"""Joins the parts of a session that is over: one WAV file at 16 kHz, and one transcript.

It may be done again at any time, and by several gateways at once: the files appear complete, and the parts go
only after that. Parts stay where samples are missing: another gateway's disk may still have them.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final

import msgspec

from dalston_realtime.protocol.audio import SAMPLE_RATE
from storage.recordings.errors import NoRecording, RecordingError
from storage.recordings.event_history import merge, read_log, split_descriptions, transcript
from storage.recordings.layout import (
    AUDIO,
    ENDED,
    TRANSCRIPT,
    is_log,
    is_part,
    parts_folder,
    read_segment_name,
    session_folder,
)
from storage.recordings.store import UNFINISHED, RecordingStore
from storage.recordings.timeline import Piece, RecordedSegment, gaps, lay_out
from storage.recordings.wav import HEADER_BYTES, WavFormat, joined_format, read_header

BLOCK_S: Final = 1.0  # Seconds that are converted at a time, so that the memory stays small.


@dataclass(frozen=True, slots=True)
class JoinedRecording:
    """What a session's recording became: seconds of audio, and where of them none is there."""

    seconds: float
    missing: tuple[tuple[float, float], ...]

    @property
    def complete(self) -> bool:
        """Whether no sample is missing."""
        return not self.missing


@dataclass(frozen=True, slots=True)
class _KnownRecording:
    """What was joined before; `open_parts` says of which parts, where these may not be all."""

    joined: JoinedRecording
    open_parts: str | None
    text: dict[str, Any]


class Joiner:
    """Joins the parts of sessions in one store."""

    def __init__(self, store: RecordingStore) -> None:
        self._store = store

    def join(self, session_id: str, *, closed: bool = False) -> JoinedRecording:
        """Write `audio.wav` and `transcript.json` of a session; the parts go where nothing is missing.

        They stay all the same where the session was not ended, unless it is `closed`: nobody has more of it.

        Raises:
            NoRecording: it has no parts.
            RecordingError: the parts go on behind the end of what was joined before.
            StorageUnavailable: the store does not answer, or is full; the parts are still there.
        """
        folder = session_folder(session_id)
        files = self._store.sizes(parts_folder(session_id))
        parts = {name: size for name, size in files.items() if is_part(name)}
        if not parts:
            raise NoRecording(f"no parts of session {session_id}")
        closed = closed or ENDED in parts
        known = self._read_known(folder)
        if known is None or known.open_parts not in (None, _fingerprint(parts)):
            return self._join_anew(session_id, parts, closed=closed)
        if known.open_parts is None:
            self._check_end(session_id, known.joined, parts)  # The deletion of its parts was cut off.
        elif closed and known.joined.complete:
            self._write_transcript(folder, known.text | {"open_parts": None})
        else:
            return known.joined
        self._store.delete_files(parts_folder(session_id), parts)
        return known.joined

    def _join_anew(self, session_id: str, parts: Mapping[str, int], *, closed: bool) -> JoinedRecording:
        folder = session_folder(session_id)
        self._delete_unfinished(folder)
        described, events = self.read_events(session_id, parts)
        joined, audio = self._join_audio(session_id, parts, described)
        is_final = closed and joined.complete
        text = transcript(session_id, described, events, audio)
        self._write_transcript(folder, text | {"open_parts": None if is_final else _fingerprint(parts)})
        if is_final:
            self._store.delete_files(parts_folder(session_id), parts)
        return joined

    def _read_known(self, folder: str) -> "_KnownRecording | None":
        """What was joined already."""
        if TRANSCRIPT not in self._store.sizes(folder):
            return None
        text = msgspec.json.decode(self._store.read(f"{folder}/{TRANSCRIPT}"))
        audio = text["audio"]
        missing = tuple((start, end) for start, end in audio["missing"])
        return _KnownRecording(JoinedRecording(audio["seconds"], missing), text.get("open_parts"), text)

    def _write_transcript(self, folder: str, text: Mapping[str, Any]) -> None:
        written = {name: value for name, value in text.items() if (name, value) != ("open_parts", None)}
        with self._store.create(f"{folder}/{TRANSCRIPT}") as file:
            file.write(msgspec.json.encode(written))

    def _delete_unfinished(self, folder: str) -> None:
        """Delete what a gateway left that was killed while it joined."""
        for name in self._store.sizes(folder):
            if name.endswith(UNFINISHED):
                self._store.delete(f"{folder}/{name}")

    def _check_end(self, session_id: str, known: JoinedRecording, parts: Mapping[str, int]) -> None:
        """Refuse parts behind the end of a recording that is complete, and whose other parts are gone.

        Raises:
            RecordingError: there are some.
        """
        form, segments = self._segments(session_id, parts)
        if form and any(segment.end / form.rate > known.seconds + 1 / SAMPLE_RATE for segment in segments):
            raise RecordingError("the session went on behind the end of its recording")

    def read_events(
        self, session_id: str, sizes: Mapping[str, int]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """What the writers said of the session, and the events that they saw."""
        folder = parts_folder(session_id)
        logs = [read_log(self._store.read(f"{folder}/{name}")) for name in sorted(filter(is_log, sizes))]
        described, rest = split_descriptions(logs)
        return described, merge(rest)

    def _join_audio(
        self, session_id: str, sizes: Mapping[str, int], described: Sequence[Mapping[str, Any]]
    ) -> tuple[JoinedRecording, dict[str, Any]]:
        from storage.recordings.conversion import converted_frames, make_conversion

        form, segments = self._segments(session_id, sizes)
        form, separate = form or _announced_format(described), _is_separate(described)
        pieces = lay_out(segments, max((line.get("frames", 0) for line in described), default=0))
        end = pieces[-1].end if pieces else 0
        target = joined_format(form.channels if separate else 1)
        frames, conversion = converted_frames(end, form.rate), make_conversion(form, separate=separate)
        with self._store.create(f"{session_folder(session_id)}/{AUDIO}") as file:
            file.write(target.header(frames))
            for data in self._read_pieces(parts_folder(session_id), pieces, form):
                file.write(conversion.convert(data))
            file.write(conversion.finish())
        missing = tuple((start / form.rate, stop / form.rate) for start, stop in gaps(pieces))
        joined = JoinedRecording(frames / SAMPLE_RATE, missing)
        return joined, {
            "sample_rate": SAMPLE_RATE,
            "channels": target.channels,
            "seconds": joined.seconds,
            "missing": missing,
        }

    def _segments(
        self, session_id: str, sizes: Mapping[str, int]
    ) -> tuple[WavFormat | None, list[RecordedSegment]]:
        """The format of a session's segments, and how long each is: its file, whatever the header says."""
        form, found = None, list[RecordedSegment]()
        for file_name, size in sorted(sizes.items()):
            name = read_segment_name(file_name)
            if name is None or size <= HEADER_BYTES:
                continue
            if form is None:
                with self._store.open(f"{parts_folder(session_id)}/{file_name}") as file:
                    form = read_header(file.read(HEADER_BYTES))
            found.append(RecordedSegment(name, (size - HEADER_BYTES) // form.frame_bytes))
        return form, found

    def _read_pieces(self, folder: str, pieces: Sequence[Piece], form: WavFormat) -> Iterator[bytes]:
        block = max(1, round(BLOCK_S * form.rate))
        for piece in pieces:
            counts = [min(block, piece.end - at) for at in range(piece.start, piece.end, block)]
            if piece.segment is None:
                yield from (form.silence(count) for count in counts)
                continue
            with self._store.open(f"{folder}/{piece.segment.name}") as file:
                file.seek(HEADER_BYTES + (piece.start - piece.segment.name.first) * form.frame_bytes)
                yield from (_read_exactly(file, count * form.frame_bytes) for count in counts)


def _fingerprint(parts: Mapping[str, int]) -> str:
    """Tells whether parts are the same as before: they only grow, and get more."""
    return hashlib.sha256(msgspec.json.encode(sorted(parts.items()))).hexdigest()[:16]


def _read_exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    while len(data) < size and (more := file.read(size - len(data))):
        data += more
    return data


def _is_separate(described: Sequence[Mapping[str, Any]]) -> bool:
    return bool(described) and described[0].get("config", {}).get("channel_mode") == "separate"


def _announced_format(described: Sequence[Mapping[str, Any]]) -> WavFormat:
    """The format of a session of which no sample could be written."""
    config = described[0].get("config", {}) if described else {}
    encoding, rate = config.get("encoding", "pcm_s16le"), config.get("sample_rate", SAMPLE_RATE)
    return WavFormat(encoding, rate, config.get("channels", 1))

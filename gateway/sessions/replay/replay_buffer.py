"""Keeps the end of a client's stream that has no final yet, which another worker has to get again.

Positions are sample frames of the client's own stream, counted from the session's begin.
"""

from collections.abc import Callable
from itertools import takewhile
from typing import Final

from broker.checkpoint_record import Checkpoint
from dalston_realtime.protocol.audio import ENCODED_BYTES, MAX_FRAME_BYTES, SAMPLE_RATE
from dalston_realtime.protocol.commands import (
    Command,
    ConfigCommand,
    EndCommand,
    KeepaliveCommand,
    encode_command,
)
from dalston_realtime.protocol.parameters import SessionConfig, apply_config
from gateway.sessions.change_set import ChangeSet
from gateway.sessions.replay.replay_entries import (
    AudioSegment,
    ControlMessage,
    Entry,
    ReplayEntries,
    control_of,
    merge_changes,
    read_control,
)

LIMIT_S: Final = 60.0  # Seconds of audio that are kept: more than an utterance and what is on its way to it.
LIMIT_BYTES: Final = 24 << 20  # Bytes of it: 60 s of two channels of floats at 48 kHz.
SLICE_S: Final = 1.0  # Seconds of the longest segment, which is what is trimmed and sent at a time.
MAX_ENTRIES: Final = 12_000  # 60 s in frames of 5 ms: a client that sends single samples fills no memory.


class ReplayBuffer:
    """The part of one session's stream that has no final yet, as numbered entries."""

    def __init__(self, config: SessionConfig, changes: ChangeSet, limit_s: float = LIMIT_S) -> None:
        self.config = config  # In force at the first audio that is kept.
        self.rate = config.sample_rate
        self.frame_bytes = ENCODED_BYTES[config.encoding] * config.channels
        self.start = 0  # Sample frame of the first audio that is kept.
        self.end = 0  # Sample frames received.
        self.messages = 0  # Text frames received.
        self.stream_bytes = 0  # Bytes of compressed audio of which these are the samples.
        self.entries = ReplayEntries(changes)
        self.on_audio: Callable[[AudioSegment], None] | None = None  # Gets all audio once, in order.
        self.ended = False  # The client has said that no more audio comes.
        self.segment_bytes = _segment_bytes(self.rate, self.frame_bytes)  # Of the longest segment.
        self._limit = min(round(limit_s * self.rate), LIMIT_BYTES // self.frame_bytes)
        self._last_change: int | None = None  # Entry of a `config` that is followed by nothing yet.
        self._partial_sample = b""  # The first bytes of a sample whose rest has not come.

    @property
    def seconds(self) -> float:
        """Seconds of audio received."""
        return self.end / self.rate

    @property
    def received(self) -> int:
        """Audio received, in samples at 16 kHz."""
        return round(self.end * SAMPLE_RATE / self.rate)

    @property
    def clock(self) -> int:
        """The start of the audio that is kept, in samples at 16 kHz."""
        return round(self.start * SAMPLE_RATE / self.rate)

    def store_audio(self, data: bytes) -> float:
        """Add audio; returns the seconds of older audio that had to go for it."""
        data = self._partial_sample + data
        whole = len(data) - len(data) % self.frame_bytes
        self._partial_sample = data[whole:]
        step = self.segment_bytes
        for at in range(0, whole, step):
            piece = data[at : min(at + step, whole)]
            segment = AudioSegment(self.end, piece)
            self.entries.append(segment)
            self._last_change = None
            self.end += len(piece) // self.frame_bytes
            if self.on_audio is not None:
                self.on_audio(segment)
        return self._enforce_limits()

    def drop_partial_sample(self) -> None:
        """Forget the first bytes of a sample: the client sends it again after its connection broke."""
        self._partial_sample = b""

    def store_control(self, text: str) -> None:
        """Add a client's text frame."""
        self._append(read_control(text, self.config))

    def store_command(self, command: Command) -> None:
        """Add a client's command."""
        if isinstance(command, KeepaliveCommand):
            self._append(ControlMessage(encode_command(command)))
        else:
            self._append(control_of(command))

    def trim_before(self, seconds: float) -> None:
        """Drop the audio before `seconds` and the commands among it, except open flushes."""
        self._trim(min(int(seconds * self.rate), self.end))

    def clear(self) -> None:
        """Drop all entries."""
        self.entries.drop_all()

    def unsent_seconds(self, number: int) -> float:
        """Seconds of audio from entry `number` on."""
        while number < self.entries.next:
            entry = self.entries.get(number)
            if isinstance(entry, AudioSegment):
                return (self.end - entry.start) / self.rate
            number += 1
        return 0.0

    @classmethod
    def restore(cls, checkpoint: Checkpoint, changes: ChangeSet) -> "ReplayBuffer":
        """The buffer that another gateway left in a checkpoint."""
        header = checkpoint.header
        buffer = cls(header.config, changes)
        buffer.start = buffer.end = header.first_frame
        for number in sorted(checkpoint.audio.keys() | checkpoint.commands.keys()):
            buffer.entries.next = number
            if number in checkpoint.audio:
                data = checkpoint.audio[number]
                buffer.entries.append(AudioSegment(buffer.end, data))
                buffer._last_change = None
                buffer.end += len(data) // buffer.frame_bytes
            else:
                buffer.store_control(checkpoint.commands[number].decode(errors="replace"))
        buffer.ended, buffer.messages = header.ended, header.messages
        if header.requested.encoding == "opus":  # A container's decoder can't go on in its middle.
            buffer.stream_bytes = header.stream_bytes
        return buffer

    def _append(self, control: ControlMessage) -> None:
        if isinstance(control.command, ConfigCommand):
            control = control_of(self._merged(control.command))
        self.ended = self.ended or isinstance(control.command, EndCommand)
        number = self.entries.append(control)
        if control.command is not None:
            self._last_change = number if isinstance(control.command, ConfigCommand) else None

    def _merged(self, command: ConfigCommand) -> ConfigCommand:
        """The command, with what the `config` right before it said: one entry has them both."""
        number = self._last_change
        before = None if number is None else self.entries.get(number)
        if number is None or not isinstance(before, ControlMessage):
            return command
        assert isinstance(before.command, ConfigCommand)
        self.entries.drop(number)
        return merge_changes(before.command, command)

    def _enforce_limits(self) -> float:
        before = self.start
        if self.end - self._limit > before:
            self._trim(self.end - self._limit)
        while len(self.entries) > MAX_ENTRIES and (oldest := self.entries.first_audio()):
            self._trim(oldest.start + len(oldest.data) // self.frame_bytes)
        return (self.start - before) / self.rate

    def _trim(self, at: int) -> None:
        """Drop what came before sample frame `at`; commands that came at that very place stay."""
        if at <= self.start:
            return
        place, self.start = self.start, at
        for number, entry in list(takewhile(lambda item: _begins_before(at, item[1]), self.entries.items())):
            if isinstance(entry, ControlMessage):
                if place < at and isinstance(entry.command, ConfigCommand):
                    self.config = apply_config(self.config, entry.command)
                    self.entries.drop(number)
                continue
            place = entry.start + len(entry.data) // self.frame_bytes
            if place <= at:
                self.entries.drop(number)
            else:
                rest = entry.data[(at - entry.start) * self.frame_bytes :]
                self.entries.replace_audio(number, AudioSegment(at, rest))


def _segment_bytes(rate: int, frame_bytes: int) -> int:
    """`SLICE_S` of audio, or as much of it as fits in one frame to a worker."""
    return min(round(SLICE_S * rate), MAX_FRAME_BYTES // frame_bytes) * frame_bytes


def _begins_before(at: int, entry: Entry) -> bool:
    return isinstance(entry, ControlMessage) or entry.start < at

"""A client's bytes and messages in; what a worker has to hear again if another one is lost out.

Positions are sample frames of the client's own stream, counted from the session's begin.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final

import orjson

from dalston_realtime.protocol.audio import SAMPLE_RATE
from dalston_realtime.protocol.commands import MAX_ID, MAX_TEXT
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.parameters import CHANGEABLE, SessionConfig, apply_config
from gateway.sessions.change_set import ChangeSet
from runtime.worker_link import AWAY, BACK

LIMIT_S: Final = 60.0  # of audio that is kept; an utterance, and what is on its way to it, are less
SLICE_S: Final = 1.0  # the longest piece: what is dropped and sent at a time
MAX_ENTRIES: Final = 12_000  # 60 s in frames of 5 ms: a client that sends samples one by one fills no memory
FIELDS: Final = {"flush": ("type", "id"), "config": ("type", *CHANGEABLE), "end": ("type",)}
SAMPLE_BYTES: Final = {"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1, "alaw": 1}


@dataclass(frozen=True, slots=True)
class AudioSegment:
    """Audio from sample frame `start` on."""

    start: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ControlMessage:
    """A message of the client, in its place between the audio."""

    text: str
    flush_id: str | None = None
    once: bool = False  # nothing that a second worker has to hear


class ReplayBuffer:
    """The un-finalized end of one session's stream; entries are numbered as they come."""

    def __init__(self, config: SessionConfig, ledger: ChangeSet, limit_s: float = LIMIT_S) -> None:
        self.config = config  # as of the first audio that is kept
        self.rate = config.sample_rate
        self.frame_bytes = SAMPLE_BYTES[config.encoding] * config.channels
        self.start = 0  # sample frames: what came before is not kept
        self.end = 0  # sample frames that came
        self.messages = 0  # that the client sent
        self.ended = False  # the client has said that no more comes
        self.next = 0  # number of the next entry
        self._ledger = ledger
        self._limit = round(limit_s * self.rate)
        self._entries: dict[int, AudioSegment | ControlMessage] = {}
        self._flushes: dict[int, str] = {}  # ids of those that are not answered, by their entries
        self._unsent: set[int] = set()  # entries of messages that no worker has got
        self._config: int | None = None  # entry of a change that nothing has come behind yet
        self._rest = b""  # of a sample that is not complete

    @property
    def seconds(self) -> float:
        """Seconds of audio that came in all."""
        return self.end / self.rate

    @property
    def heard(self) -> int:
        """What came in all, in samples at 16 kHz."""
        return round(self.end * SAMPLE_RATE / self.rate)

    @property
    def clock(self) -> int:
        """The start of what is kept, in samples at 16 kHz."""
        return round(self.start * SAMPLE_RATE / self.rate)

    def hear(self, data: bytes) -> float:
        """Take audio; the seconds of older audio that had to go for it."""
        data = self._rest + data
        whole = len(data) - len(data) % self.frame_bytes
        self._rest = data[whole:]
        step = round(SLICE_S * self.rate) * self.frame_bytes
        for at in range(0, whole, step):
            piece = data[at : min(at + step, whole)]
            self._add(AudioSegment(self.end, piece))
            self.end += len(piece) // self.frame_bytes
        before = self.start
        if self.end - self._limit > before:
            self._forget(self.end - self._limit)
        while len(self._entries) > MAX_ENTRIES and (oldest := next(self._pieces(), None)):
            self._forget(oldest.start + len(oldest.data) // self.frame_bytes)
        return (self.start - before) / self.rate

    def break_off(self) -> None:
        """The connection broke: a sample that is not complete will be sent again."""
        self._rest = b""

    def say(self, text: str) -> None:
        """Take a message of the client."""
        message = decoded(text)
        if message.get("type") in (AWAY, BACK):  # of a client's presence only its gateway can speak
            text, message = "{}", {}
        if len(text) > MAX_TEXT or not self._is_valid(message):
            self._add(ControlMessage(text[: MAX_TEXT + 1], once=True))
            return
        kind = message["type"]
        self.ended = self.ended or kind == "end"
        said = {name: message[name] for name in FIELDS[kind] if name in message}
        if kind == "config":
            said = self._changes() | said
        flush_id = message.get("id", "") if kind == "flush" else None
        self._add(ControlMessage(orjson.dumps(said).decode(), flush_id))
        self._config = self.next - 1 if kind == "config" else None

    def sent(self, number: int) -> None:
        """A worker has got this entry."""
        self._unsent.discard(number)
        entry = self._entries.get(number)
        if isinstance(entry, ControlMessage) and entry.once:
            self._drop(number)

    def answered(self, flush_id: str) -> None:
        """A final has answered a flush."""
        for number, asked in self._flushes.items():
            if asked == flush_id:
                self._drop(number)
                return

    def entry(self, number: int) -> AudioSegment | ControlMessage | None:
        """An entry, None where it is not kept any more or not there yet."""
        return self._entries.get(number)

    def forget(self, seconds: float) -> None:
        """Keep nothing of the audio before `seconds`, nor what was said among it, except open flushes."""
        self._forget(min(int(seconds * self.rate), self.end))

    def clear(self) -> None:
        """Keep nothing."""
        self._entries.clear()
        self._flushes.clear()

    def first(self) -> int:
        """The number of the first entry that a new worker has to get."""
        return next(iter(self._entries), self.next)

    def unsent(self, number: int) -> float:
        """Seconds of audio from entry `number` on."""
        while number < self.next:
            entry = self._entries.get(number)
            if isinstance(entry, AudioSegment):
                return (self.end - entry.start) / self.rate
            number += 1
        return 0.0

    @property
    def unsent_messages(self) -> int:
        """How many no worker has got."""
        return len(self._unsent)

    @property
    def open_flushes(self) -> int:
        """How many are not answered."""
        return len(self._flushes)

    @classmethod
    def restored(cls, config: SessionConfig, ledger: ChangeSet, start: int, ended: bool) -> "ReplayBuffer":
        """The log that left `ledger` behind; its first audio began at sample frame `start`."""
        log = cls(config, ledger)
        log.start = log.end = start
        log.ended = ended
        kept = {int(name[1:]): name for name in ledger.fields if name[0] in "ac"}
        for number in sorted(kept):
            data = ledger.fields[kept[number]]
            log.next = number
            if kept[number][0] == "a":
                log._put(number, AudioSegment(log.end, data))
                log.end += len(data) // log.frame_bytes
                log.next += 1
            else:
                log.say(data.decode())
        return log

    def _forget(self, at: int) -> None:
        """Keep nothing before sample frame `at`; what was said at that very place still stands there."""
        if at <= self.start:
            return
        place, self.start = self.start, at
        entries = self._entries.items()
        for number, entry in list(takewhile(lambda item: _begins_before(at, item[1]), entries)):
            if isinstance(entry, ControlMessage):
                if place < at:
                    self._leave_behind(number, entry)
                continue
            place = entry.start + len(entry.data) // self.frame_bytes
            if place <= at:
                self._drop(number)
            else:
                self._put(number, AudioSegment(at, entry.data[(at - entry.start) * self.frame_bytes :]))

    def _pieces(self) -> Iterator[AudioSegment]:
        return (entry for entry in self._entries.values() if isinstance(entry, AudioSegment))

    def _changes(self) -> dict[str, Any]:
        """What the change said that the next one comes right behind: one entry has them both."""
        number, self._config = self._config, None
        entry = self._entries.get(-1 if number is None else number)
        if number is None or not isinstance(entry, ControlMessage):
            return {}
        self._drop(number)
        return decoded(entry.text)

    def _leave_behind(self, number: int, said: ControlMessage) -> None:
        """What was said before the audio that is kept: it still counts for what follows."""
        message = decoded(said.text)
        if message.get("type") == "config" and not said.once:
            self.config = apply_config(self.config, message)
            self._drop(number)

    def _is_valid(self, message: dict[str, Any]) -> bool:
        """Whether it does something; the worker tells the client what is wrong with another, once."""
        if message.get("type") == "flush":
            name = message.get("id", "")
            return isinstance(name, str) and len(name) <= MAX_ID
        if message.get("type") == "config":
            try:
                apply_config(self.config, message)
            except InvalidParameter:
                return False
        return message.get("type") in ("config", "end")

    def _add(self, entry: AudioSegment | ControlMessage) -> None:
        self._put(self.next, entry)
        if isinstance(entry, ControlMessage):
            self._unsent.add(self.next)
        self.next += 1

    def _put(self, number: int, entry: AudioSegment | ControlMessage) -> None:
        self._entries[number] = entry
        if isinstance(entry, AudioSegment):
            self._config = None
            self._ledger.set(f"a{number}", entry.data)
        elif not entry.once:
            self._ledger.set(f"c{number}", entry.text.encode())
            if entry.flush_id is not None:
                self._flushes[number] = entry.flush_id

    def _drop(self, number: int) -> None:
        self._entries.pop(number)
        self._flushes.pop(number, None)
        self._unsent.discard(number)
        self._ledger.delete(f"a{number}")
        self._ledger.delete(f"c{number}")


def _begins_before(at: int, entry: AudioSegment | ControlMessage) -> bool:
    return isinstance(entry, ControlMessage) or entry.start < at


def decoded(text: str) -> dict[str, Any]:
    """A client's message; empty where it is no JSON object."""
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return message if isinstance(message, dict) else {}

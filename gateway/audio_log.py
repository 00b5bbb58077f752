"""A client's bytes and messages in; what a worker has to hear again if another one is lost out.

Positions are sample frames of the client's own stream, counted from the session's begin.
"""

from dataclasses import dataclass
from typing import Any, Final

import orjson

from gateway.ledger import Ledger
from stages.errors import InvalidParameter
from stages.messages import SAMPLE_RATE
from stages.parameters import SessionConfig, apply_config
from stages.stall import AWAY, BACK

LIMIT_S: Final = 60.0  # of audio that is kept; an utterance, and what is on its way to it, are less
SLICE_S: Final = 1.0  # the longest piece: what is dropped and sent at a time
MAX_ID: Final = 200  # characters of a flush's id
SAMPLE_BYTES: Final = {"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1, "alaw": 1}


@dataclass(frozen=True, slots=True)
class Piece:
    """Audio from sample frame `start` on."""

    start: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """A message of the client, in its place between the audio."""

    text: str
    flush_id: str | None = None
    once: bool = False  # nothing that a second worker has to hear


class AudioLog:
    """The un-finalized end of one session's stream; entries are numbered as they come."""

    def __init__(self, config: SessionConfig, ledger: Ledger, limit_s: float = LIMIT_S) -> None:
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
        self._entries: dict[int, Piece | Said] = {}
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
            self._add(Piece(self.end, piece))
            self.end += len(piece) // self.frame_bytes
        surplus = self.end - self._limit - self.start
        if surplus <= 0:
            return 0.0
        self.forget((self.start + surplus) / self.rate)
        return surplus / self.rate

    def break_off(self) -> None:
        """The connection broke: a sample that is not complete will be sent again."""
        self._rest = b""

    def say(self, text: str) -> None:
        """Take a message of the client."""
        message = decoded(text)
        if message.get("type") in (AWAY, BACK):  # of a client's presence only its gateway can speak
            text, message = "{}", {}
        self.ended = self.ended or message.get("type") == "end"
        flush_id = message.get("id", "") if message.get("type") == "flush" else None
        self._add(Said(text, flush_id, once=not self._is_valid(message)))

    def sent(self, number: int) -> None:
        """A worker has got this entry."""
        entry = self._entries.get(number)
        if isinstance(entry, Said) and entry.once:
            self._drop(number)

    def answered(self, flush_id: str) -> None:
        """A final has answered a flush."""
        for number, entry in self._entries.items():
            if isinstance(entry, Said) and entry.flush_id == flush_id:
                self._drop(number)
                return

    def entry(self, number: int) -> Piece | Said | None:
        """An entry, None where it is not kept any more or not there yet."""
        return self._entries.get(number)

    def forget(self, seconds: float) -> None:
        """Keep nothing of the audio before `seconds`, nor what was said among it, except open flushes."""
        at = min(max(int(seconds * self.rate), self.start), self.end)
        if at == self.start:
            return
        self.start = at
        for number, entry in list(self._entries.items()):
            if isinstance(entry, Said):
                self._leave_behind(number, entry)
            elif entry.start + len(entry.data) // self.frame_bytes <= at:
                self._drop(number)
            else:
                if entry.start < at:
                    self._put(number, Piece(at, entry.data[(at - entry.start) * self.frame_bytes :]))
                break

    def clear(self) -> None:
        """Keep nothing."""
        self._entries.clear()

    def first(self) -> int:
        """The number of the first entry that a new worker has to get."""
        return next(iter(self._entries), self.next)

    def unsent(self, number: int) -> float:
        """Seconds of audio from entry `number` on."""
        while number < self.next:
            entry = self._entries.get(number)
            if isinstance(entry, Piece):
                return (self.end - entry.start) / self.rate
            number += 1
        return 0.0

    @classmethod
    def restored(cls, config: SessionConfig, ledger: Ledger, start: int, ended: bool) -> "AudioLog":
        """The log that left `ledger` behind; its first audio began at sample frame `start`."""
        log = cls(config, ledger)
        log.start = log.end = start
        log.ended = ended
        kept = {int(name[1:]): name for name in ledger.fields if name[0] in "ac"}
        for number in sorted(kept):
            data = ledger.fields[kept[number]]
            log.next = number
            if kept[number][0] == "a":
                log._entries[number] = Piece(log.end, data)
                log.end += len(data) // log.frame_bytes
                log.next += 1
            else:
                log.say(data.decode())
        return log

    def _leave_behind(self, number: int, said: Said) -> None:
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

    def _add(self, entry: Piece | Said) -> None:
        self._put(self.next, entry)
        self.next += 1

    def _put(self, number: int, entry: Piece | Said) -> None:
        self._entries[number] = entry
        if isinstance(entry, Piece):
            self._ledger.set(f"a{number}", entry.data)
        else:
            self._ledger.set(f"c{number}", entry.text.encode())

    def _drop(self, number: int) -> None:
        self._entries.pop(number)
        self._ledger.delete(f"a{number}")
        self._ledger.delete(f"c{number}")


def decoded(text: str) -> dict[str, Any]:
    """A client's message; empty where it is no JSON object."""
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return message if isinstance(message, dict) else {}

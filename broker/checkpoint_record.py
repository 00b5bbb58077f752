"""Defines what one gateway leaves in Redis for another one that goes on with a session.

A checkpoint is one hash. Its field `header` holds the small part of the struct `Checkpoint` as JSON; what
grows stands in a field for each entry, so that a save writes only what changed: `a12` is audio, `c13` a
command of the client, `e40` an event that was sent, `w41` one that waits, `f7` a final. Who finds a
checkpoint of another version leaves it alone: a gateway that knows that version can still go on with the
session.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from dalston_realtime.protocol.audio import ENCODED_BYTES
from dalston_realtime.protocol.errors import DalstonError
from dalston_realtime.protocol.parameters import SessionConfig

VERSION: Final = 2  # Goes up with every change that another gateway must know of.
HEADER: Final = "header"
OWNER: Final = "owner"  # The gateway that has the session, and its address; belongs to the store, not to us.

_ENTRY: Final = re.compile(r"([a-z])([0-9]{1,18})")
_KINDS: Final = {"a": "audio", "c": "commands", "e": "sent_events", "w": "waiting_events", "f": "finals"}


class BadCheckpoint(DalstonError):
    """A checkpoint can't be read; the message says why."""


class UnknownCheckpointVersion(BadCheckpoint):
    """A gateway of another version left it."""


class ContinuityState(msgspec.Struct, kw_only=True):
    """What is known of a session over all of its workers. Times are seconds on the session's clock.

    Where channels are transcribed apart, this is the first channel's, with what holds for the whole session,
    and `others` has those of the others.
    """

    begun: bool = False  # The client has seen session.begin.
    utterance: int = 1  # Number of the next final.
    end: float = 0.0  # Of the last final.
    cut: bool = False  # It ended without a pause.
    previous_words: str = ""  # Its last words.
    processed: float = 0.0  # The worker has dealt with the audio up to here.
    partial_start: float | None = None  # Where the utterance begins that the client sees grow.
    stable_words: str = ""  # What the client was promised of it.
    earlier_speech: float = 0.0  # Seconds of speech before the worker of now.
    recent_speech: float = 0.0  # Seconds of speech since.
    speech_spans: list[float] = msgspec.field(
        default_factory=list
    )  # Starts and ends, as the client saw them.
    moved: bool = False  # The session has had more than one worker.
    resumed_at: float = 0.0  # Where the worker of now began.
    losses: int = 0  # Workers that were lost over the same audio.
    age: float = 0.0  # Seconds since the session began, when this was saved.
    others: list["ContinuityState"] = msgspec.field(default_factory=list)


class CheckpointHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The small part of a checkpoint, written anew with each save.

    `takeovers` is how many gateways had the session before. `principal` is whose session it is, `token` the
    SHA-256 of its resume token: who goes on with it checks both. `requested` is what the client asked for,
    `config` what holds since the first audio that is kept, which
    begins at `first_frame`, counted in sample frames of the client's own stream. `ended` says that no more
    audio comes, `messages` is the number of text frames that the client sent, `stream_bytes` that of the
    bytes of compressed audio of which the samples are kept or were final. What the session uses counts for
    `account`, "" for none. It ends when it is `max_seconds` old, where that is said.
    """

    version: int
    principal: str
    token: str
    requested: SessionConfig
    config: SessionConfig
    first_frame: int
    ended: bool
    messages: int
    continuity: ContinuityState
    takeovers: int = 0
    stream_bytes: int = 0
    account: str = ""
    max_seconds: float | None = None


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """All that another gateway needs. Entries are by their numbers, in order.

    `audio` is in the client's own encoding, or decoded where that is compressed; commands, events and finals
    are JSON of the protocol.
    """

    header: CheckpointHeader
    audio: dict[int, bytes]
    commands: dict[int, bytes]
    sent_events: dict[int, bytes]
    waiting_events: dict[int, bytes]
    finals: dict[int, bytes]


class _CheckpointVersion(msgspec.Struct):
    version: int


_VERSIONS: Final = msgspec.json.Decoder(_CheckpointVersion)
_HEADERS: Final = msgspec.json.Decoder(CheckpointHeader)
_ENCODER: Final = msgspec.json.Encoder()


def encode_header(header: CheckpointHeader) -> bytes:
    """The field `header` of the hash."""
    return _ENCODER.encode(header)


def decode_checkpoint(fields: Mapping[str, bytes]) -> Checkpoint:
    """The checkpoint in the fields of a hash; fields that this version does not know are ignored.

    Raises:
        UnknownCheckpointVersion: a gateway of another version left it.
        BadCheckpoint: there is no header, or it is cut off, or has a bad value.
    """
    if HEADER not in fields:
        raise BadCheckpoint("the checkpoint has no header")
    return Checkpoint(header=_decode_header(fields[HEADER]), **checkpoint_entries(fields))


def checkpoint_entries(fields: Mapping[str, bytes]) -> dict[str, dict[int, bytes]]:
    """The numbered entries in the fields of a hash, by the names that `Checkpoint` has for them, in order."""
    entries: dict[str, dict[int, bytes]] = {name: {} for name in _KINDS.values()}
    for name in fields:
        match = _ENTRY.fullmatch(name)
        if match and match[1] in _KINDS:
            entries[_KINDS[match[1]]][int(match[2])] = fields[name]
    return {kind: dict(sorted(found.items())) for kind, found in entries.items()}


def _decode_header(data: bytes) -> CheckpointHeader:
    try:
        found = _VERSIONS.decode(data)
        if found.version != VERSION:
            raise UnknownCheckpointVersion(
                f"a gateway of another version left it: {found.version}; this gateway knows {VERSION}"
            )
        header = _HEADERS.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadCheckpoint(f"the checkpoint can't be read: {error}") from None
    if header.config.encoding not in ENCODED_BYTES:
        raise BadCheckpoint(f"the audio that is kept must be samples, not {header.config.encoding}")
    return header

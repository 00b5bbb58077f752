"""Defines the messages between the processes of one worker: one closed union of frozen messages.

A message is a header and, where it has one, a payload of raw bytes that is never packed into the
header: audio (16 kHz, mono, s16le) on the way down, the JSON of a protocol event on the way back.

`session` is the key of one gateway's connection for a session; a second connection for the same session,
which a gateway may open before the worker has noticed that the first one is lost, has another key. Where the
channels are transcribed apart, each of them has a key of its own, and is a session of its own for all stages
but the assembler.

The only clock of a transcript is the sample index since the session began, silence included: fields
named `start`, `end` and `at` are such indices. `Stamps` are CLOCK_MONOTONIC nanoseconds.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from dalston_realtime.protocol.parameters import MinSilence

Route: TypeAlias = tuple[int, ...]
"""The process of each stage behind the receiver that a session stays with, in data-flow order."""

Stamps: TypeAlias = tuple[int, ...]
"""When a message came into and left each stage: receiver in, receiver out, vad in, vad out, ..."""

TimedWord: TypeAlias = tuple[str, int, int, float | None]
"""A word, the samples at which it begins and ends, and the engine's confidence in it from 0 to 1."""

EndKind = Literal["eager", "likely", "end", "cut", "flush"]

SPECULATIVE: Final[tuple[EndKind, ...]] = ("eager", "likely")
"""The kinds of ends that decide nothing: a speculative final is decoded for them."""


@dataclass(frozen=True, slots=True)
class Open:
    """A session begins, or goes on after its worker was lost: at sample `start`, with `utterance` next.

    In the second case `previous_words` are the last words that are final, which the first ones may repeat
    where it `overlaps`; `stable_words` are words of the next utterance that the client was promised, and
    more of that utterance may have been shown (`partial_shown`). The audio up to sample `replayed` was
    processed before, and comes at once. A `degraded` session has a slot beyond the worker's capacity.
    `session_id` is the client's name of the session. `channels` are the keys of all of its separate
    channels, in order; none where they are mixed.
    """

    session: str
    route: Route
    session_id: str
    model: str
    language: str
    interim_results: bool
    enable_vad: bool
    word_timestamps: bool
    min_silence_ms: MinSilence
    vocabulary: tuple[str, ...]
    timing: bool
    start: int = 0
    utterance: int = 1
    previous_words: tuple[str, ...] = ()
    overlaps: bool = False
    stable_words: tuple[str, ...] = ()
    partial_shown: bool = False
    replayed: int = 0
    degraded: bool = False
    channels: tuple[str, ...] = ()

    @property
    def channel(self) -> int | None:
        """Which of the separate channels this is, from 0; None where they are mixed."""
        return self.channels.index(self.session) if self.session in self.channels else None

    @property
    def is_first(self) -> bool:
        """Whether this is the one of a client's channels that speaks for all of them."""
        return not self.channel


@dataclass(frozen=True, slots=True)
class Audio:
    """Samples from index `start` on, in the payload."""

    session: str
    route: Route
    start: int
    stamps: Stamps


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing to transcribe up to sample `end`; keeps the clock of the stages behind the VAD."""

    session: str
    route: Route
    end: int


@dataclass(frozen=True, slots=True)
class UtteranceStart:
    """Utterance `utterance` (the VAD's own count) begins with speech at sample `at`.

    Its audio `overlaps` the utterance before it where that was ended in the middle of speech.
    """

    session: str
    route: Route
    utterance: int
    at: int
    overlaps: bool = False


@dataclass(frozen=True, slots=True)
class UtteranceEnd:
    """The speech of an utterance ends at sample `at`; decode the audio up to `until`.

    `likely` says that it looks like the end, so that a speculative final is decoded; it is dropped if speech
    goes on. `eager` says so of a shorter silence, which is enough for a client that says flush, but not to be
    the end. `end`, `cut` and `flush` are decisions. After a `cut` the next utterance begins at `resume`,
    which is before `until` where the two overlap. `decided` is the sample at which the decision was taken.
    """

    session: str
    route: Route
    utterance: int
    at: int
    until: int
    kind: EndKind
    resume: int
    decided: int
    flush_id: str | None
    stamps: Stamps


@dataclass(frozen=True, slots=True)
class TextEnd:
    """How likely a sentence is over where speech may have ended at sample `at`: what the text says of it.

    It goes from the ASR stage through the receiver to the VAD stage. It is of use for a moment only: one that
    is lost or late changes nothing.
    """

    session: str
    route: Route
    at: int
    finished: float | None  # 0..1; None: the text says nothing of it


@dataclass(frozen=True, slots=True)
class Flush:
    """The client wants a final of what was said so far."""

    session: str
    route: Route
    flush_id: str
    stamps: Stamps


@dataclass(frozen=True, slots=True)
class InputTimedOut:
    """No more audio comes for the time being: what is being said has ended."""

    session: str
    route: Route
    stamps: Stamps


@dataclass(frozen=True, slots=True)
class Configure:
    """The client changes what may change in a session."""

    session: str
    route: Route
    language: str
    interim_results: bool
    min_silence_ms: MinSilence


@dataclass(frozen=True, slots=True)
class Close:
    """The session is over: `end` transcribes what was received, `gone` forgets it."""

    session: str
    route: Route
    reason: Literal["end", "gone"]
    received: int  # samples in all
    stamps: Stamps


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What the ASR stage makes of an utterance, of samples `start` to `end`.

    `word_probabilities` are those of the words of the text (0 to 1), where the engine knows them for all.
    """

    session: str
    route: Route
    utterance: int
    text: str
    start: int
    end: int
    decided: int  # a final's end was decided when so much audio had come
    final: bool
    overlaps: bool  # its first words may repeat the last ones of the utterance before it
    language: str | None
    confidence: float | None
    words: tuple[TimedWord, ...]
    flush_id: str | None
    inference_ns: int
    stamps: Stamps
    word_probabilities: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class AudioProcessed:
    """All audio up to sample `processed` has been dealt with."""

    session: str
    route: Route
    processed: int


@dataclass(frozen=True, slots=True)
class EncodedEvent:
    """A protocol event on its way to the sender: JSON in the payload, without `seq` and `timing`.

    `kind` is its type, such as `transcript.final`. `endpoint_wait` is how long the decision that a final's
    utterance has ended took, in milliseconds of audio.
    """

    session: str
    route: Route
    kind: str
    stamps: Stamps = ()
    inference_ns: int = 0
    endpoint_wait: float | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """A protocol event as it goes to the client: JSON in the payload, without `seq`."""

    session: str
    kind: str


@dataclass(frozen=True, slots=True)
class SessionFailed:
    """A session can't go on, for the reason in `code` (a name of the protocol's close codes)."""

    session: str
    route: Route
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Alive:
    """A stage process is up; sent to the receiver four times a second.

    From `asr` only: `models` is JSON, `pass_ms` the age of the forward pass in progress in ms (0: none),
    `device` is the UUID of its GPU or `cpu`, `gpu_used` and `gpu_total` are bytes (0: no GPU).
    """

    stage: str
    index: int
    models: str = ""
    pass_ms: int = 0
    device: str = ""
    gpu_used: int = 0
    gpu_total: int = 0


@dataclass(frozen=True, slots=True)
class ProcessStarted:
    """Process `index` of `stage` has just started: the sessions that came through the one before are over."""

    stage: str
    index: int


@dataclass(frozen=True, slots=True)
class EndOfStream:
    """No more messages come from this process: drain and end."""

    source: str


Message: TypeAlias = (
    Open
    | Audio
    | Silence
    | UtteranceStart
    | UtteranceEnd
    | TextEnd
    | Flush
    | InputTimedOut
    | Configure
    | Close
    | Hypothesis
    | AudioProcessed
    | EncodedEvent
    | Frame
    | SessionFailed
    | Alive
    | ProcessStarted
    | EndOfStream
)

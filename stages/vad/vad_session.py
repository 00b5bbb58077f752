"""Holds one session of the VAD stage: its recent audio, its model's state and its endpointer."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from dalston_realtime.protocol.audio import BYTES_PER_SAMPLE
from dalston_realtime.protocol.parameters import MinSilence
from engines.base import Floats
from engines.silero import WINDOW, VadState
from stages.endpoint_rules import EndpointRules, samples
from stages.messages import Open, Route, Stamps, UtteranceStart
from stages.vad.endpointer import Endpointer

AT_ONCE: Final = 8  # Windows of one session in a batch: a session with a backlog does not hold up the others.
SETTLED: Final = samples(1_000)
"""Samples of clear silence after which the VAD's recurrent state is stable: windows may then be skipped."""

KEEP: Final = samples(1_600)  # Samples kept before the position, for pre-roll, overlap and unsure speech.


@dataclass(slots=True)
class VadSession:
    """One session: its audio around the present moment, and where in an utterance it is."""

    opened: Open
    endpointer: Endpointer
    state: VadState = field(default_factory=VadState)
    audio: bytearray = field(default_factory=bytearray)  # s16le from `base` on
    base: int = 0  # sample index of the first sample in `audio`
    received: int = 0
    utterance: int = 0  # number of the utterance that is being said, or was said last
    sent: int = 0  # the ASR stage has this utterance's audio up to here
    reported: int = 0  # the ASR stage knows of all audio up to here
    muted: int = 0  # samples of clear silence up to now
    stamps: Stamps = ()
    surest: float = 0.0  # highest probability in the utterance, or in the sound that may become one
    held: UtteranceStart | None = None  # of a sound that may be no speech: nothing of it has left yet
    look_at: int = 0  # the sample at which it is looked at again
    unsure: int = 0  # samples of it that are not silence
    timed_out_at: int = 0  # when its audio stopped coming (ns); 0: it comes

    @property
    def key(self) -> str:
        """The name of the session in the pipeline."""
        return self.opened.session

    @property
    def route(self) -> Route:
        """The processes that the session stays with."""
        return self.opened.route

    @property
    def windows(self) -> int:
        """How many whole windows wait to be looked at."""
        return (self.received - self.endpointer.position) // WINDOW

    def append_samples(self, pcm: bytes, stamps: Stamps) -> None:
        """Append samples that arrived."""
        self.audio += pcm
        self.received += len(pcm) // BYTES_PER_SAMPLE
        self.stamps = stamps

    def slice(self, start: int, end: int) -> bytes:
        """The samples from `start` to `end`, as far as they are kept."""
        low = max(0, start - self.base) * BYTES_PER_SAMPLE
        return bytes(self.audio[low : (end - self.base) * BYTES_PER_SAMPLE])

    def sound(self) -> Floats:
        """The next windows [n * 512], -1..1, at most `AT_ONCE`."""
        at = self.endpointer.position
        return self.sound_between(at, at + min(self.windows, AT_ONCE) * WINDOW)

    def sound_between(self, start: int, end: int) -> Floats:
        """The samples from `start` to `end`, -1..1, as far as they are kept."""
        pcm = np.frombuffer(self.slice(start, end), "<i2")
        return pcm.astype(np.float32) * np.float32(1 / 32768)

    def is_muted(self, sound: Floats) -> bool:
        """Whether the next windows are clear silence, as those of the last second were."""
        if self.endpointer.in_speech or max(sound.max(), -sound.min()) > self.endpointer.rules.clear_silence:
            self.muted = 0
            return False
        self.muted += len(sound)
        return self.muted > SETTLED

    def on_probability(self, probability: float) -> None:
        """Remember the surest window, from the first one that is not silence."""
        silent = probability < self.endpointer.rules.silence
        self.unsure += 0 if silent else WINDOW
        idle = silent and not self.endpointer.in_speech
        self.surest = probability if idle else max(self.surest, probability)

    def trim(self) -> None:
        """Drop the audio that nothing can ask for any more."""
        needed = self.endpointer.position - KEEP
        if self.endpointer.in_speech:
            needed = min(needed, self.sent)
        surplus = needed - self.base
        if surplus > KEEP:
            del self.audio[: surplus * BYTES_PER_SAMPLE]
            self.base += surplus


def vad_session_from(opened: Open, rules: EndpointRules) -> VadSession:
    """A session at the sample with which it begins here."""
    at = opened.start
    endpointer = Endpointer(rules, silence_of(opened.min_silence_ms), position=at, decoded=at)
    return VadSession(opened, endpointer, base=at, received=at, sent=at, reported=at)


def silence_of(min_silence: MinSilence) -> int | None:
    """What a client asks for, in samples; None leaves it to the endpointer."""
    return None if min_silence == "auto" else samples(min_silence)

"""Knows what one channel of a session has said so far, and where another worker goes on with it.

A session whose channels are mixed has one. Times are seconds on the session's clock.
"""

from typing import Final

from broker.checkpoint_record import ContinuityState
from dalston_realtime.protocol.events import Final as FinalEvent
from dalston_realtime.protocol.events import Partial
from gateway.sessions.continuity.replay_start import ReplayStart, find_replay_start, replay_from
from gateway.sessions.continuity.speech_spans import SeenSpeech, WorkerSpeech

CONTEXT_WORDS: Final = 8  # Words of the last finals that those behind an overlap are compared with.


class ChannelContinuity:
    """What one channel has said; kept in `state`."""

    def __init__(self, state: ContinuityState) -> None:
        self.state = state
        self._seen = SeenSpeech(state)
        self._speech = WorkerSpeech()

    def note_partial(self, event: Partial) -> None:
        """The client sees an utterance grow."""
        self.state.partial_start = event.start
        self.state.stable_words = event.text[: event.stable or 0]

    def start_speech(self, at: float) -> bool:
        """Speech starts; whether the client is to see that."""
        self._speech.add_start(at)
        return self._seen.start(at)

    def end_speech(self, at: float) -> bool:
        """Speech ends; whether the client is to see that."""
        self._speech.add_end(at)
        return self._seen.end(at)

    def add_final(self, event: FinalEvent) -> int:
        """The client sees a final; its number."""
        state = self.state
        number = state.utterance if event.utterance is None else event.utterance
        state.utterance = number + 1
        state.partial_start, state.stable_words = None, ""
        if event.end is not None:
            state.end = max(state.end, event.end)
            state.cut = self._speech.finish_until(state.end)
        # A short final may lie within the overlap as a whole, so the words before it count as well.
        words = [*state.previous_words.split(), *event.text.split()]
        state.previous_words = " ".join(words[-CONTEXT_WORDS:])
        if not self._speech.reported and event.start is not None and event.end is not None:
            self._seen.add(event.start, event.end)
        self._seen.sum_up(self.replay_from)
        return number

    @property
    def replay_from(self) -> float:
        """No worker needs the audio before: the next utterance may overlap the last one."""
        return replay_from(self.state, self._speech.first_start)

    def find_start(self) -> ReplayStart:
        """Where another worker goes on."""
        return find_replay_start(self.state, self._speech.first_start)

    def move_to(self, at: float) -> None:
        """Another worker goes on here."""
        state = self.state
        self._seen.move_to_worker_at(at)
        state.moved, state.resumed_at, state.processed = True, at, at
        self._speech.reset()

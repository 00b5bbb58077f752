"""Follows the speech of a session: what the client has seen of it, and what the worker of now still owes."""

from collections import deque
from typing import Final

from broker.checkpoint_record import ContinuityState

SAME_S: Final = 0.002  # Seconds: times are rounded to milliseconds, so closer ones are the same time.


class SeenSpeech:
    """The speech that the client has seen, over all workers; kept in `state`."""

    def __init__(self, state: ContinuityState) -> None:
        self._state = state

    def start(self, at: float) -> bool:
        """Speech starts; false where the client has seen it start."""
        spans = self._state.speech_spans
        if len(spans) % 2 or (spans and at < spans[-1]):
            return False
        spans.append(at)
        return True

    def end(self, at: float) -> bool:
        """Speech ends; false where the client has seen it end."""
        spans = self._state.speech_spans
        if len(spans) % 2 == 0 or at <= spans[-1]:
            return False
        spans.append(at)
        return True

    def add(self, start: float, end: float) -> None:
        """Speech from `start` to `end`, of a worker that does not say where speech is."""
        self._state.speech_spans += [start, end]

    def sum_up(self, until: float) -> None:
        """Keep of the speech before `until`, which no worker hears again, its length alone."""
        state, spans = self._state, self._state.speech_spans
        while len(spans) > 2 and spans[1] <= until:
            state.recent_speech += max(0.0, spans[1] - max(spans[0], state.resumed_at))
            del spans[:2]

    def move_to_worker_at(self, at: float) -> None:
        """Count the speech that the client saw before `at`; the worker that begins there counts the rest."""
        state, spans = self._state, self._state.speech_spans
        pairs = [*spans, at] if len(spans) % 2 else spans
        for start, end in zip(pairs[::2], pairs[1::2], strict=True):
            state.recent_speech += max(0.0, min(end, at) - max(start, state.resumed_at))
        state.earlier_speech, state.recent_speech = state.earlier_speech + state.recent_speech, 0.0
        state.speech_spans = spans[-2:] if len(spans) % 2 == 0 else spans[-1:]


class WorkerSpeech:
    """The speech that the worker of now has reported, and for which no final has come."""

    def __init__(self) -> None:
        self.reported = False  # The worker says where speech is.
        self._starts: deque[float] = deque()  # Of utterances without a final.
        self._ends: deque[float] = deque()  # Of speech whose final has not come.

    def reset(self) -> None:
        """Another worker is next."""
        self.reported = False
        self._starts.clear()
        self._ends.clear()

    def add_start(self, at: float) -> None:
        """Speech starts."""
        self.reported = True
        self._starts.append(at)

    def add_end(self, at: float) -> None:
        """Speech ends."""
        self._ends.append(at)

    @property
    def first_start(self) -> float | None:
        """Where the first utterance without a final starts."""
        return self._starts[0] if self._starts else None

    def finish_until(self, end: float) -> bool:
        """A final ends at `end`; whether it was cut there, with speech going on behind it."""
        cut = self.reported and not any(abs(stop - end) <= SAME_S for stop in self._ends)
        while self._starts and self._starts[0] < end - SAME_S:
            self._starts.popleft()
        while self._ends and self._ends[0] <= end + SAME_S:
            self._ends.popleft()
        return cut

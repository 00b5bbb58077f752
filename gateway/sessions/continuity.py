"""A session's story over all of its workers: each worker's events in, the client's events out.

It knows what is final, where another worker has to go on so that no word is lost or said twice, and
what of that worker's events the client has seen already. Times are seconds on the session's clock.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import orjson

from gateway.sessions.change_set import ChangeSet

Event: TypeAlias = dict[str, Any]

LEAD_S: Final = 0.5  # before an utterance, for a VAD that has heard nothing yet
PREROLL_S: Final = 0.256  # of an utterance before the speech that the VAD found
LONGEST_S: Final = 31.0  # what lies further behind the processed audio is no part of an utterance
OVERLAP_S: Final = 1.2  # the next utterance may begin so long before a cut, or a stall
CONTEXT: Final = 8  # words of the last final that an overlap is compared with
SAME_S: Final = 0.002  # times are rounded to milliseconds
WINDOW_S: Final = 0.032  # what the VAD looks at together


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where and how another worker goes on.

    `before` are the last words that are final; `overlaps` says that the first ones to come may repeat
    them. `frozen` is what the client was promised of the utterance, of which it may have been `shown` more.
    """

    at: float
    utterance: int
    before: tuple[str, ...]
    overlaps: bool
    frozen: tuple[str, ...]
    shown: bool


@dataclass(slots=True)
class ContinuityState:
    """What is kept of the story beside its finals."""

    begun: bool = False
    utterance: int = 1  # number of the next final
    end: float = 0.0  # of the last final
    cut: bool = False  # it ended without a pause
    before: str = ""  # its last words
    processed: float = 0.0  # the worker has dealt with the audio up to here
    partial: float | None = None  # where the utterance begins that the client sees grow
    frozen: str = ""
    speech: float = 0.0  # seconds of speech before the worker of now
    recent: float = 0.0  # and since
    spans: list[float] = field(default_factory=list)  # start and end of the speech of late, as the client saw
    moved: bool = False  # more than one worker
    seam: float = 0.0  # where the worker of now began
    losses: int = 0  # workers that were lost over the same audio


class SessionContinuity:
    """What a session has said so far; its finals and the rest are in `ledger` as well."""

    def __init__(self, session_id: str, ledger: ChangeSet, known: ContinuityState | None = None) -> None:
        self._id, self._ledger = session_id, ledger
        self.known = known or ContinuityState()
        self._vad = False  # the worker says where speech is
        self._starts: deque[float] = deque()  # of utterances without a final, as the worker says
        self._stops: deque[float] = deque()  # ends of speech whose final has not come, as it says

    def take(self, event: Event) -> Event | None:
        """What the client is to see of a worker's event, if anything."""
        match event["type"]:
            case "session.begin":
                return self._begin(event)
            case "progress":
                self.known.processed = max(self.known.processed, float(event["processed"]))
                return None
            case "vad.speech_start":
                return self._speech_start(event)
            case "vad.speech_end":
                return self._speech_end(event)
            case "transcript.partial":
                self.known.partial = event.get("start")
                self.known.frozen = event["text"][: event.get("stable", 0)]
            case "transcript.final":
                self._final(event)
            case "session.end":
                return self._end(event)
        return event

    @property
    def settled(self) -> float:
        """No worker needs the audio before: the next utterance may overlap the last one."""
        at = self._seam_at()[0]
        return at if at > self.known.end + SAME_S else max(0.0, at - OVERLAP_S)

    def seam(self, *, blame: bool = True) -> ResumePoint:
        """Where another worker goes on, now that this one is lost; `blame` the audio for it."""
        known = self.known
        at, overlaps = self._seam_at()
        at = self._in_step(at, overlaps)
        again = known.moved and at <= known.seam + SAME_S
        known.losses = (known.losses if again else 0) + blame
        self._settle_speech(at)
        known.moved, known.seam, known.processed = True, at, at
        self._vad = False
        self._starts.clear()
        self._stops.clear()
        shown = known.partial is not None
        return ResumePoint(
            at, known.utterance, tuple(known.before.split()), overlaps, tuple(known.frozen.split()), shown
        )

    def _seam_at(self) -> tuple[float, bool]:
        """The time, and whether it lies within the last final."""
        known = self.known
        if known.partial is not None:
            if known.partial < known.end - SAME_S:
                return known.partial, True
            return max(known.end, known.partial - LEAD_S), False
        if known.cut or (self._starts and self._starts[0] <= known.end + SAME_S and known.before):
            return max(0.0, known.end - OVERLAP_S), True
        at = max(known.end, known.processed - LONGEST_S)
        if self._starts:
            at = max(at, self._starts[0] - PREROLL_S - LEAD_S)
        return at, False

    def _in_step(self, at: float, overlaps: bool) -> float:
        """`at`, or up to a window of the VAD earlier: it then sees the same windows as the one before."""
        step = math.floor((at + SAME_S / 2) / WINDOW_S) * WINDOW_S
        return step if overlaps or step >= self.known.end - SAME_S / 2 else at

    def _begin(self, event: Event) -> Event | None:
        if self.known.begun:
            return None
        self.known.begun = True
        return event | {"session_id": self._id}

    def _speech_start(self, event: Event) -> Event | None:
        """Pass it on unless the client has seen this speech begin."""
        at, spans = float(event["timestamp"]), self.known.spans
        self._vad = True
        self._starts.append(at)
        if len(spans) % 2 or (spans and at < spans[-1]):
            return None
        spans.append(at)
        return event

    def _speech_end(self, event: Event) -> Event | None:
        """Pass it on unless the client has seen this speech end."""
        at, spans = float(event["timestamp"]), self.known.spans
        self._stops.append(at)
        if len(spans) % 2 == 0 or at <= spans[-1]:
            return None
        spans.append(at)
        return event

    def _final(self, event: Event) -> None:
        known = self.known
        known.utterance = int(event["utterance"]) + 1
        known.partial, known.frozen = None, ""
        text = event["text"]
        if "end" in event:
            known.end = max(known.end, float(event["end"]))
            known.cut = self._vad and not any(abs(stop - known.end) <= SAME_S for stop in self._stops)
            while self._starts and self._starts[0] < known.end - SAME_S:
                self._starts.popleft()
            while self._stops and self._stops[0] <= known.end + SAME_S:
                self._stops.popleft()
        if text:
            words = [*known.before.split(), *text.split()]  # a short final may lie in an overlap as a whole
            known.before = " ".join(words[-CONTEXT:])
            segment = {name: event[name] for name in ("utterance", "text", "start", "end") if name in event}
            self._ledger.set(f"f{known.utterance - 1}", orjson.dumps(segment))
        if not self._vad and "start" in event:
            known.spans += [float(event["start"]), float(event["end"])]
        self._fold_spans()

    def _fold_spans(self) -> None:
        """Speech that no seam can reach any more is a sum."""
        spans, settled = self.known.spans, self.settled
        while len(spans) > 2 and spans[1] <= settled:
            self.known.recent += max(0.0, spans[1] - max(spans[0], self.known.seam))
            del spans[:2]

    def _settle_speech(self, at: float) -> None:
        """What the client saw of speech before `at` counts; the rest the next worker counts."""
        known = self.known
        pairs = [*known.spans, at] if len(known.spans) % 2 else known.spans
        for start, end in zip(pairs[::2], pairs[1::2], strict=True):
            known.recent += max(0.0, min(end, at) - max(start, known.seam))
        known.speech, known.recent = known.speech + known.recent, 0.0
        known.spans = known.spans[-2:] if len(known.spans) % 2 == 0 else known.spans[-1:]

    def _end(self, event: Event) -> Event:
        """The worker's end, completed by what other workers said."""
        if not self.known.moved:
            return event | {"session_id": self._id}
        names = sorted((n for n in self._ledger.fields if n[0] == "f"), key=lambda name: int(name[1:]))
        segments = [orjson.loads(self._ledger.fields[name]) for name in names]
        return event | {
            "session_id": self._id,
            "transcript": " ".join(segment["text"] for segment in segments),
            "segments": segments,
            "speech_duration": round(self.known.speech + float(event.get("speech_duration", 0.0)), 3),
        }

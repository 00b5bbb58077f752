"""Follows one channel of a client of Deepgram: its results, and where its utterances end."""

from typing import Protocol

from dalston_realtime.protocol.events import Final, Partial, SpeechEnd, SpeechStart
from gateway.realtime.dialects.actions import Actions, say
from gateway.realtime.dialects.deepgram_results import ModelDescription, final_result, interim_result
from gateway.realtime.dialects.silence_timer import SilenceTimer


class ResultOptions(Protocol):
    """What a client asked for, of its results."""

    wants_interims: bool
    is_written: bool
    wants_speech_start: bool
    is_multilingual: bool
    endpointing_ms: int | None
    utterance_end_s: float | None


class ChannelProgress:
    """One channel; `index` is its number and how many there are."""

    def __init__(self, index: list[int], options: ResultOptions) -> None:
        self._index, self._options = index, options
        self._speech_end = 0.0
        self._end = 0.0  # Seconds of audio up to which results were said.
        self._utterance_end = SilenceTimer(options.utterance_end_s)

    def translate(self, event: SpeechStart | SpeechEnd | Partial | Final, model: ModelDescription) -> Actions:
        """Results, and the signs of speech that were asked for."""
        match event:
            case SpeechStart():
                self._utterance_end.speak(event.timestamp)
                if self._options.wants_speech_start:
                    started = {"channel": self._index, "timestamp": event.timestamp}
                    return [say({"type": "SpeechStarted", **started})]
            case SpeechEnd():
                self._speech_end = event.timestamp
            case Partial() if event.text and self._options.wants_interims:
                result = interim_result(event, self._end, model, written=self._options.is_written)
                return [say(result | {"channel_index": self._index})]
            case Final():
                return self._final(event, model)
        return ()

    def on_heard(self, heard: float) -> Actions:
        """`UtteranceEnd`, once the silence behind the last word is long enough."""
        end = self._utterance_end.is_due(heard)
        return () if end is None else [say(self._utterance_ended(end))]

    def _utterance_ended(self, end: float) -> dict[str, object]:
        return {"type": "UtteranceEnd", "channel": self._index, "last_word_end": end}

    def _final(self, event: Final, model: ModelDescription) -> Actions:
        """An empty final is said only where it answers a `Finalize`."""
        if not event.text and event.flush_id is None:
            self._utterance_end.forget_speech()
            return ()
        result = final_result(
            event,
            self._end,
            model,
            written=self._options.is_written,
            ends_speech=self._ends_speech(event),
            shows_language=self._options.is_multilingual,
        )
        self._end = max(self._end, event.end or 0.0)
        if event.text:
            self._utterance_end.start(_last_word_end(event, self._end))
        return [say(result | {"channel_index": self._index})]

    def _ends_speech(self, event: Final) -> bool:
        """Whether somebody stopped speaking, and was not cut at the longest utterance."""
        if event.flush_id is not None:
            return bool(event.text)
        return self._options.endpointing_ms is not None and self._speech_end >= (event.end or 0.0)


def _last_word_end(event: Final, end: float) -> float:
    ends = [word.end for word in event.words or () if word.end is not None]
    return max(ends, default=end)

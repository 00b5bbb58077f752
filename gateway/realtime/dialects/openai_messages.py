"""Makes the messages of OpenAI's realtime protocol, each with a number of its own."""

from collections.abc import Mapping
from typing import Any, Final

from dalston_realtime.protocol.errors import InvalidParameter
from gateway.realtime.dialects.actions import SayFrame, say
from gateway.realtime.dialects.client_messages import MAX_SHOWN_TEXT, plain_text
from gateway.realtime.dialects.openai_item import OpenAIItem
from gateway.realtime.dialects.openai_session import RealtimeOptions

TRANSCRIPTION: Final = "conversation.item.input_audio_transcription"


class OpenAIMessages:
    """What one client is told, in today's form or in that of the beta."""

    def __init__(self, session_id: str, *, is_beta: bool) -> None:
        self.is_beta = is_beta
        self._session_id, self._number = session_id, 0
        self._last_item: str | None = None

    def session(self, what: str, options: RealtimeOptions, model: str) -> SayFrame:
        """What is in force; `what` is `created` or `updated`."""
        kind = f"transcription_session.{what}" if self.is_beta else f"session.{what}"
        about = {"id": self._session_id, "object": "realtime.transcription_session", "expires_at": 0}
        return self._say(kind, session=about | options.shown(model, flat=self.is_beta))

    def speech_started(self, item: OpenAIItem, at: float) -> SayFrame:
        """Somebody speaks from `at` seconds on."""
        return self._say("input_audio_buffer.speech_started", item_id=item.id, audio_start_ms=_ms(at))

    def speech_stopped(self, item: OpenAIItem, at: float) -> SayFrame:
        """Nobody speaks from `at` seconds on."""
        return self._say("input_audio_buffer.speech_stopped", item_id=item.id, audio_end_ms=_ms(at))

    def committed(self, item: OpenAIItem) -> list[SayFrame]:
        """An item takes its place behind the one before."""
        before, self._last_item = self._last_item, item.id
        said = [self._say("input_audio_buffer.committed", item_id=item.id, previous_item_id=before)]
        for kind in ("created",) if self.is_beta else ("added", "done"):
            described = item.described()
            said.append(self._say(f"conversation.item.{kind}", item=described, previous_item_id=before))
        return said

    def cleared(self) -> SayFrame:
        """What was not committed is thrown away."""
        return self._say("input_audio_buffer.cleared")

    def delta(self, item: OpenAIItem, delta: str) -> list[SayFrame]:
        """More text of an item, if there is any."""
        if not delta:
            return []
        return [self._say(f"{TRANSCRIPTION}.delta", item_id=item.id, content_index=0, delta=delta)]

    def completed(self, item: OpenAIItem) -> SayFrame:
        """The whole text of an item."""
        return self._say(f"{TRANSCRIPTION}.completed", **item.completion())

    def refusal(self, error: InvalidParameter) -> SayFrame:
        """A value of an update can't be."""
        return self.error("invalid_value", error.message, param=error.param)

    def error(
        self, code: str, message: str, *, param: str | None = None, of: Mapping[str, Any] | None = None
    ) -> SayFrame:
        """A fault of the client, in its message `of`; frameworks take any for the end of their stream."""
        event_id = plain_text((of or {}).get("event_id"))
        shown = None if event_id is None else event_id[:MAX_SHOWN_TEXT]
        about = {"code": code, "message": message, "param": param, "event_id": shown}
        return self._say("error", error={"type": "invalid_request_error", **about})

    def _say(self, kind: str, **fields: Any) -> SayFrame:
        self._number += 1
        return say({"type": kind, "event_id": f"event_{self._number}", **fields})


def _ms(seconds: float) -> int:
    return round(seconds * 1000)

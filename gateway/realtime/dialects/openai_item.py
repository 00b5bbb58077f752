"""Keeps one item of OpenAI's realtime protocol: the audio between two commits, and the text in it."""

from collections.abc import Callable
from typing import Any

from dalston_realtime.protocol.events import Final, Partial
from gateway.realtime.dialects.held_finals import HeldFinals, join_texts
from gateway.realtime.dialects.stable_delta import StableDelta

JUST_AFTER = 0.002  # Seconds: times are rounded to milliseconds, here and there.


class OpenAIItem:
    """An item that is not complete; `start` and `end` are those of the speech that was shown (s)."""

    def __init__(self, item_id: str, start: float | None = None, end: float | None = None) -> None:
        self.id, self.start, self.end = item_id, start, end
        self._held = HeldFinals()
        self._delta = StableDelta()
        self._language: str | None = None
        self._span: tuple[float, float] | None = None

    @property
    def text(self) -> str:
        """The finals in it."""
        return self._held.text

    @property
    def was_shown(self) -> bool:
        """Whether a client has heard of it."""
        return self.start is not None or bool(self._delta.sent)

    def ends_before(self, end: float | None) -> bool:
        """Whether its speech was over before something that ends at `end` seconds."""
        return self.end is not None and end is not None and self.end < end - JUST_AFTER

    def goes_on_after(self, end: float) -> bool:
        """Whether its speech goes on behind `end` seconds: it was cut there."""
        return self.end is None or self.end > end + JUST_AFTER

    def show(self, partial: Partial) -> str:
        """What is new in it and will not change any more."""
        stable = partial.text[: partial.stable or 0].rstrip()
        return self._delta.advance_to(join_texts([self._held.text, stable])) if stable else ""

    def hold(self, final: Final) -> str:
        """Add a final; what is new with it."""
        self._held.hold(final)
        if final.text and final.start is not None and final.end is not None:
            first = final.start if self._span is None else self._span[0]
            self._span = first, final.end
        self._language = final.language or self._language
        return self._delta.advance_to(self._held.text)

    def completion(self) -> dict[str, Any]:
        """What is said of it when it is complete."""
        seconds = self._span[1] - self._span[0] if self._span else 0.0
        found: dict[str, Any] = {
            "item_id": self.id,
            "content_index": 0,
            "transcript": self.text,
            "usage": {"type": "duration", "seconds": round(seconds, 3)},
        }
        if self._language and self.text:
            found["languages"] = [{"code": self._language}]
        return found

    def described(self) -> dict[str, Any]:
        """As an item of a conversation."""
        return {
            "id": self.id,
            "object": "realtime.item",
            "type": "message",
            "role": "user",
            "status": "completed",
            "content": [{"type": "input_audio", "transcript": None}],
        }


class OpenAIItems:
    """The items of one connection in their order; `new_id` makes the id of another one."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._open: list[OpenAIItem] = []

    def first(self) -> OpenAIItem:
        """The oldest one that is not complete, which is made where there is none."""
        return self._open[0] if self._open else self.begin()

    def begin(self, start: float | None = None, end: float | None = None) -> OpenAIItem:
        """Make another one."""
        self._open.append(OpenAIItem(self._new_id(), start, end))
        return self._open[-1]

    def speak(self, start: float) -> OpenAIItem:
        """The one in which somebody begins to speak: one of which nothing is said yet, or another one."""
        if self._open and self._open[-1].start is None:
            self._open[-1].start = start
            return self._open[-1]
        return self.begin(start)

    def pause(self, end: float) -> OpenAIItem | None:
        """The one in which somebody stops to speak, where that was shown."""
        if not self._open or self._open[-1].start is None or self._open[-1].end is not None:
            return None
        self._open[-1].end = end
        return self._open[-1]

    def shift(self, item: OpenAIItem) -> None:
        """An item is complete."""
        self._open.remove(item)

    def before(self, end: float | None) -> list[OpenAIItem]:
        """Those whose speech was over before something that ends at `end` seconds: no text was in it."""
        found = []
        for item in self._open:
            if item.text or not item.ends_before(end):
                break
            found.append(item)
        return found

    def paused(self) -> list[OpenAIItem]:
        """Those in which nobody speaks any more."""
        return [item for item in self._open if item.end is not None]

    def all(self) -> list[OpenAIItem]:
        """All that are not complete."""
        return list(self._open)

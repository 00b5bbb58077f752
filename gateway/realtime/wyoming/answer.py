"""Makes the answer to a request of a Wyoming client out of the events of its session."""

from typing import Final, TypeAlias

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.events import Event, ServerError, SessionEnd
from dalston_realtime.protocol.events import Final as FinalEvent
from gateway.realtime.dialects.held_finals import HeldFinals
from gateway.realtime.wyoming.messages import failure, transcript
from gateway.realtime.wyoming.wire import WyomingEvent
from gateway.sessions.outcome import SessionOutcome

Events: TypeAlias = tuple[WyomingEvent, ...]

CLOSES: Final = frozenset({CloseCode.RESTARTING, CloseCode.IDLE_TIMEOUT})
"""Ends for which the protocol has no event: the connection is closed."""


class WyomingAnswer:
    """One transcript, or one error; finals are told in pieces before.

    `client_ends` says who finds the end of what is said: the client, which ends its audio, or the server,
    which answers after the first utterance.
    """

    def __init__(self, *, client_ends: bool) -> None:
        self.is_complete = False
        self._client_ends = client_ends
        self._held = HeldFinals()
        self._language: str | None = None
        self._is_begun = False
        self._error: ServerError | None = None

    def translate(self, event: Event) -> Events:
        """What an event of the session means to the client."""
        match event:
            case FinalEvent(text=text) if text and not self.is_complete:
                piece = self._hold(event)
                return piece if self._client_ends else (*piece, *self.complete())
            case SessionEnd():
                return self.complete()
            case ServerError(recoverable=False):
                self._error = event
        return ()

    def complete(self) -> Events:
        """The transcript of all that was said, once."""
        if self.is_complete:
            return ()
        self.is_complete = True
        told = transcript(self._held.text, self._language)
        return (*self._begin(), told, WyomingEvent("transcript-stop"))

    def conclude(self, outcome: SessionOutcome) -> Events:
        """The last words, by how the session ended; none where the connection is to be closed."""
        if self.is_complete or outcome.code is None or outcome.code in CLOSES:
            return ()
        if outcome.code is CloseCode.NORMAL:
            return self.complete()
        error = outcome.event or self._error
        return self.fail(error.message if error else outcome.name, outcome.name)

    def fail(self, message: str, code: str) -> Events:
        """An error in place of the transcript."""
        if self.is_complete:
            return ()
        self.is_complete = True
        return (failure(message, code),)

    def _hold(self, final: FinalEvent) -> Events:
        space = " " if self._held.text else ""
        self._held.hold(final)
        self._language = final.language or self._language
        return (*self._begin(), WyomingEvent("transcript-chunk", {"text": space + final.text}))

    def _begin(self) -> Events:
        if self._is_begun:
            return ()
        self._is_begun = True
        return (WyomingEvent("transcript-start", {"language": self._language} if self._language else {}),)

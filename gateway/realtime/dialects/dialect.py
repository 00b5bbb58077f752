"""Defines what a dialect is: another service's protocol, spoken with its clients over a session of ours.

A `Dialect` reads the request of a client. It makes a `Conversation`, which turns the client's frames and the
session's events into actions. Both know no socket and no clock, so that tables test them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.events import Event
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.realtime.dialects.actions import Actions
from gateway.realtime.dialects.handshake import Handshake
from gateway.sessions.outcome import SessionOutcome


class Conversation(ABC):
    """What one client and the server say to each other.

    The session begins with the first audio, and may be given back and begun again where the client pauses:
    times of events go on, numbers of utterances begin again.
    """

    idle_s: float = 60.0  # Seconds without any frame of the client until it is told to go.
    max_frame: int = 1 << 20  # Bytes of one frame of the client.
    ticks: bool = False  # Whether it wants to know up to where audio has been heard.

    def greet(self) -> Actions:
        """What the client is told at once, before it has a session."""
        return ()

    @abstractmethod
    def receive(self, frame: bytes | str) -> Actions:
        """What a frame of the client means."""

    @abstractmethod
    def translate(self, event: Event) -> Actions:
        """What an event of the session means to the client."""

    def on_heard(self, _heard: float) -> Actions:
        """The audio up to `heard` seconds has no more events than those that were translated."""
        return ()

    def accept(self, _config: SessionConfig) -> Actions:
        """What the client is told whose `ChangeSession` is in force, with our name of the model."""
        return ()

    def reject(self, _error: InvalidParameter) -> Actions:
        """What the client is told whose `ChangeSession` is refused."""
        return ()

    @abstractmethod
    def conclude(self, outcome: SessionOutcome) -> Actions:
        """The last words, by how the session ended; `CloseClient` must be among them."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a client's request asks for.

    - config: the session that it asks for, with the model as the client names it.
    - begin: makes the conversation, from the parameters that are in force.
    - credential: the client's key or token, as it is.
    - subprotocol: the one of the offered ones that is selected.
    - headers: of the answer.
    - ignored: what the client asks for and nobody does, by the names of the dialect.
    - identifies_later: whether the credential comes in a frame.
    """

    config: SessionConfig
    begin: Callable[[SessionConfig], Conversation]
    credential: str | None = None
    subprotocol: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    identifies_later: bool = False


class Dialect(ABC):
    """The protocol of a service; `name` is for metrics and logs, `path` is where its clients connect."""

    name: ClassVar[str]
    path: ClassVar[str]
    refuses_when_full: ClassVar[bool] = True
    """Whether a client is refused before the upgrade where no slot is free; else it waits for one."""

    @abstractmethod
    def open(self, handshake: Handshake) -> Opening:
        """What a client asks for.

        Raises:
            InvalidParameter: a parameter has a bad value, or asks for what nobody may pretend to do.
        """

    def open_with(self, handshake: Handshake, _session: str) -> Opening:
        """The same for a client whose token says what its session is: JSON, in the words of the dialect."""
        return self.open(handshake)

    def refusal_headers(self, _message: str) -> Mapping[str, str]:
        """The headers with which a client of this service is refused."""
        return {}

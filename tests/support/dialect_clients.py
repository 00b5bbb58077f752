"""Plays a client of a dialect: against its conversation alone, or against a connection without a socket."""

import asyncio
from collections.abc import Iterable
from typing import Any, cast

import orjson
from starlette.websockets import WebSocket

from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.auth.errors import TooManySessions, Unauthorized
from gateway.auth.principal import LOCAL_USER
from gateway.realtime.dialect_connection import DialectConnection, DialectTimes
from gateway.realtime.dialects.actions import Action, Actions, CloseClient, SayFrame
from gateway.realtime.dialects.dialect import Conversation
from gateway.sessions.port import SessionPort
from gateway.sessions.session_manager import SessionManager

Told = dict[str, Any]


def told(actions: Actions) -> list[Any]:
    """What actions are for a reader of a test: frames as objects, a close as its code and reason."""
    return [_told(action) for action in actions]


def _told(action: Action) -> Any:
    if isinstance(action, SayFrame):
        return orjson.loads(action.text)
    return (action.code, action.reason) if isinstance(action, CloseClient) else action


class DialectClient:
    """A WebSocket without a network: notes what it is sent, and sends what a test says."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.closed: tuple[int, str] | None = None
        self.changed = asyncio.Event()
        self._frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def say(self, *frames: bytes | Told) -> None:
        """Send audio or messages."""
        for frame in frames:
            is_audio = isinstance(frame, bytes)
            data = {"bytes": frame} if is_audio else {"text": orjson.dumps(frame).decode()}
            self._frames.put_nowait({"type": "websocket.receive", **data})

    def leave(self, code: int = 1000, **more: Any) -> None:
        """Be gone, or break the protocol of WebSockets."""
        self._frames.put_nowait({"type": "websocket.disconnect", "code": code, **more})

    async def until_told(self, count: int) -> list[Told]:
        """Wait until so many frames have come."""
        while len(self.told) < count:
            self.changed.clear()
            await self.changed.wait()
        return self.told

    async def receive(self) -> dict[str, Any]:
        """The next frame."""
        return await self._frames.get()

    async def send_text(self, text: str) -> None:
        """A frame of the server."""
        self.told.append(orjson.loads(text))
        self.changed.set()

    async def close(self, code: int, reason: str) -> None:
        """The server closes."""
        self.closed = code, reason
        self.changed.set()


class OpenGate:
    """Lets everybody in, with models of any name but these."""

    def __init__(self, sessions: SessionManager, unknown: Iterable[str] = ()) -> None:
        self._sessions, self._unknown = sessions, tuple(unknown)

    def begin(self, config: SessionConfig) -> SessionPort:
        """Begin a session."""
        return self._sessions.begin(config, LOCAL_USER, resumable=False)

    async def admit(self, config: SessionConfig) -> SessionConfig:
        """The same parameters."""
        if config.model in self._unknown:
            raise InvalidParameter("model", "there is no such model")
        return config

    async def identify(self, credential: str | None) -> None:
        """Everybody is known, but with the key `bad`, and may have a session, but with the key `used`."""
        if credential == "bad":
            raise Unauthorized("this key is not known")
        if credential == "used":
            raise TooManySessions("1 of 1 sessions at once are used", 5.0)

    async def leave(self) -> None:
        """Nobody counts."""

    def note_ignored(self, dialect: str, flags: tuple[str, ...]) -> None:
        """Nobody counts."""


def connected(
    client: DialectClient,
    conversation: Conversation,
    gate: OpenGate,
    config: SessionConfig | None = None,
    times: DialectTimes | None = None,
) -> DialectConnection:
    """A connection on the running loop's clock."""
    return DialectConnection(
        cast(WebSocket, client),
        conversation,
        config or SessionConfig(),
        gate,
        times or DialectTimes(),
        asyncio.Event(),
        asyncio.get_running_loop().time,
    )

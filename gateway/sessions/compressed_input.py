"""Says what an input of compressed audio does, and what its samples are."""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeAlias

from msgspec.structs import replace

from dalston_realtime.protocol.audio import ENCODED_BYTES, SAMPLE_RATE
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.sessions.replay.replay_entries import LastingCommand

UNDECODABLE: Final = "undecodable_audio"

Feed: TypeAlias = Callable[[bytes], Awaitable[None]]
"""Takes samples; waits while too many are on their way to the worker."""

Warn: TypeAlias = Callable[[str, str], None]
"""Tells the client: a code and a message."""


class CompressedInput(Protocol):
    """The audio of one session whose client sends it compressed."""

    @property
    def bytes_received(self) -> int:
        """Bytes of the client's stream that it need not send again."""
        ...

    async def receive(self, data: bytes) -> None:
        """Take a frame of the client.

        Raises:
            SessionError: it can't be decoded.
        """
        ...

    async def settle_for(self, command: LastingCommand | None) -> None:
        """Have all that came of the audio stored before a command that follows it.

        Raises:
            SessionError: the audio before it could not be decoded.
        """
        ...

    def close(self) -> None:
        """Take nothing more."""
        ...


def decoded_config(config: SessionConfig) -> SessionConfig:
    """What the samples are that come of a session's audio, as workers and recordings get it."""
    if config.encoding in ENCODED_BYTES:
        return config
    channels = max(1, config.separate)
    return replace(config, encoding="pcm_s16le", sample_rate=SAMPLE_RATE, channels=channels)

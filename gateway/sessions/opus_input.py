"""Decodes the audio of a session whose client sends Opus packets, each in a frame of its own.

A packet is decoded in the event loop: it holds at most 120 ms, and takes less than to have a thread do it.
"""

import asyncio
from typing import TYPE_CHECKING

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.commands import EndCommand, FlushCommand
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.sessions.compressed_input import UNDECODABLE, Feed, Warn
from gateway.sessions.replay.replay_buffer import ReplayBuffer
from gateway.sessions.replay.replay_entries import LastingCommand
from runtime.audio.compressed.errors import UnreadableStream
from runtime.audio.container_sniffer import container_of
from runtime.errors import SessionError

if TYPE_CHECKING:
    from runtime.audio.compressed.opus_packets import OpusPackets  # loads FFmpeg


class OpusInput:
    """Takes one packet after the other; where one can't be decoded, the client is told once."""

    def __init__(self, config: SessionConfig, replay: ReplayBuffer, feed: Feed, warn: Warn) -> None:
        self._config, self._replay, self._feed, self._warn = config, replay, feed, warn
        self._packets: OpusPackets | None = None
        self._has_warned = False

    @property
    def bytes_received(self) -> int:
        """Bytes of the client's packets that it need not send again."""
        return self._replay.stream_bytes

    async def receive(self, data: bytes) -> None:
        """Take a packet. One that waits for room when the connection breaks is not received.

        Raises:
            SessionError: too many in a row are no Opus.
        """
        packets = self._packets
        if packets is None:
            packets = self._packets = await asyncio.to_thread(_open, self._config)
        try:
            samples = packets.decode(data) if data else b""
        except UnreadableStream as error:
            raise SessionError(CloseCode.INVALID_REQUEST, str(error)) from None
        if samples:
            await self._feed(samples)
        elif samples is None and not self._has_warned:
            self._has_warned = True
            self._warn(UNDECODABLE, _describe(data))
        self._replay.stream_bytes += len(data)

    async def settle_for(self, command: LastingCommand | None) -> None:
        """Give out what the resampler holds back, before a command that ends what was said."""
        if self._packets is not None and isinstance(command, FlushCommand | EndCommand):
            await self._feed(self._packets.drain())

    def close(self) -> None:
        """Give back the decoder."""
        self._packets = None


def _open(config: SessionConfig) -> "OpusPackets":
    """A decoder; in a thread, since FFmpeg takes a while to load."""
    from runtime.audio.compressed.opus_packets import OpusPackets

    return OpusPackets(config.channels, config.separate)


def _describe(packet: bytes) -> str:
    found = container_of(packet)
    if found is None:
        return "a frame is no Opus packet; such frames are left out, and the clock does not count them"
    return f"the audio begins like {found}, and encoding=opus is packets without one: set encoding=container"

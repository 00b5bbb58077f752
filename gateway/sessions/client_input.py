"""Passes the audio and the commands of a session's client to the feeder of its workers."""

from functools import partial

from dalston_realtime.protocol.commands import Command, KeepaliveCommand
from gateway.sessions.compressed_input import CompressedInput
from gateway.sessions.container_input import ContainerInput
from gateway.sessions.opus_input import OpusInput
from gateway.sessions.replay.audio_feeder import AudioFeeder
from gateway.sessions.replay.replay_entries import LastingCommand, read_control
from gateway.sessions.state import SessionState
from gateway.workers.liveness import Liveness


class ClientInput:
    """The client's side of one session's input."""

    def __init__(self, state: SessionState, feeder: AudioFeeder, liveness: Liveness) -> None:
        self._state, self._feeder, self._liveness = state, feeder, liveness
        self._loss_reported = False
        self._compressed = self._make_compressed()

    def _make_compressed(self) -> CompressedInput | None:
        state, asked = self._state, self._state.requested
        match asked.encoding:
            case "opus":
                return OpusInput(asked, state.replay, self._feed, state.warn)
            case "container":
                return ContainerInput(asked.separate, state.replay, self._feed, state.warn)
        return None

    async def receive_audio(self, data: bytes) -> None:
        """Take audio; waits while too much is on its way to the worker.

        Raises:
            SessionError: it is compressed, and can't be decoded.
        """
        if self._compressed is None:
            await self._feed(data)
        else:
            await self._compressed.receive(data)

    async def _feed(self, data: bytes) -> None:
        replay = self._state.replay
        before = replay.end
        lost = await self._feeder.feed_audio(data)
        if replay.end > before:  # A worker has nothing to say of an empty frame, or of half a sample.
            self._liveness.on_audio()
        if lost and not self._loss_reported:
            self._loss_reported = True
            text = f"{lost:.1f} s of audio without a result are not kept"
            self._state.warn("audio_lost", text, seconds=lost)

    async def receive_control(self, control: Command | str) -> None:
        """Take a command, or a text that need not be one; waits while too many are on their way."""
        replay = self._state.replay
        replay.messages += 1
        if self._compressed is not None:
            await self._compressed.settle_for(self._lasting(control))
        if isinstance(control, str):
            await self._feeder.feed_control(partial(replay.store_control, control), len(control))
        else:
            await self._feeder.feed_control(partial(replay.store_command, control))

    def _lasting(self, control: Command | str) -> LastingCommand | None:
        if isinstance(control, str):
            return read_control(control, self._state.replay.config).command
        return None if isinstance(control, KeepaliveCommand) else control

    def on_final(self) -> None:
        """A final was shown: what is lost from now on is another loss."""
        self._loss_reported = False

    @property
    def bytes_received(self) -> int | None:
        """Bytes of compressed audio that need not be sent again; None where it is samples."""
        return None if self._compressed is None else self._compressed.bytes_received

    def close(self) -> None:
        """Take nothing more."""
        self._feeder.close()
        if self._compressed is not None:
            self._compressed.close()

"""Passes the audio and the commands of a session's client to the feeder of its workers."""

from functools import partial

from dalston_realtime.protocol.commands import Command
from gateway.sessions.replay.audio_feeder import AudioFeeder
from gateway.sessions.state import SessionState
from gateway.workers.liveness import Liveness


class ClientInput:
    """The client's side of one session's input."""

    def __init__(self, state: SessionState, feeder: AudioFeeder, liveness: Liveness) -> None:
        self._state, self._feeder, self._liveness = state, feeder, liveness
        self._loss_reported = False

    async def receive_audio(self, data: bytes) -> None:
        """Take audio; waits while too much is on its way to the worker."""
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
        if isinstance(control, str):
            await self._feeder.feed_control(partial(replay.store_control, control))
        else:
            await self._feeder.feed_control(partial(replay.store_command, control))

    def on_final(self) -> None:
        """A final was shown: what is lost from now on is another loss."""
        self._loss_reported = False

"""Sends audio into a session and gives its events, side by side."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable

from dalston_realtime.client.connection.received_event import ReceivedEvent
from dalston_realtime.client.session import LiveSession


class AudioStreamer:
    """Sends audio while its events are iterated; `stop_audio()` ends the audio early.

    Whatever ends the audio, `end` is sent behind it, so that what was said is still transcribed.
    `on_sent` is called with the bytes of audio sent so far.
    """

    def __init__(
        self,
        session: LiveSession,
        audio: AsyncIterable[bytes],
        on_sent: Callable[[int], None] = lambda sent: None,
    ) -> None:
        self._session = session
        self._audio = audio
        self._on_sent = on_sent
        self._task: asyncio.Task[None] | None = None

    def stop_audio(self) -> None:
        """Send no more audio."""
        if self._task is not None:
            self._task.cancel()

    async def received(self) -> AsyncIterator[ReceivedEvent]:
        """The events of the session until its end, each with the frame that it came in.

        Raises:
            AudioError: the audio broke off; raised behind the last event.
            ClientError: the session broke off; raised behind the last event.
        """
        self._task = asyncio.create_task(self._send_all())
        try:
            async for received in self._session.received():
                yield received
            await self._task
        finally:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _send_all(self) -> None:
        sent = 0
        try:
            async for chunk in self._audio:
                await self._session.send(chunk)
                sent += len(chunk)
                self._on_sent(sent)
        except asyncio.CancelledError:
            pass  # stopped on purpose
        finally:
            await self._session.end()

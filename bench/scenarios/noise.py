"""Sounds in which nobody speaks in, as fast as the server takes them; the text that comes back is false."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from bench.load.playback import Target, chunks
from bench.load.signals import SIGNALS, make
from bench.report.result_file import Document, conditions
from bench.request import BenchRequest
from bench.servers.server import server
from dalston_realtime.cli.exits import ExitCode
from dalston_realtime.client.audio.files import to_pcm
from dalston_realtime.client.session import LiveSession, transcribe_stream
from dalston_realtime.protocol.events import Final, SessionEnd


@dataclass(frozen=True, slots=True)
class NoiseTranscript:
    """What was heard in one sound."""

    signal: str
    seconds: float
    speech_seconds: float  # what the VAD took for speech
    words: int
    text: str

    @property
    def words_per_minute(self) -> float:
        """False words."""
        return 60 * self.words / self.seconds


async def listen(target: Target, signal: str, seconds: float, seed: int) -> NoiseTranscript:
    """Play one sound; what came back.

    Raises:
        ClientError: the session broke off.
    """
    pcm = to_pcm(make(signal, seconds, seed))
    texts: list[str] = []
    speech = 0.0
    async with transcribe_stream(target.url, model=target.model, interim_results=False) as stream:
        sending = asyncio.create_task(_send(stream, pcm))
        try:
            async for event in stream:
                if isinstance(event, Final):
                    texts.append(event.text.strip())
                elif isinstance(event, SessionEnd):
                    speech = event.speech_duration or 0.0
            await sending
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    text = " ".join(filter(None, texts))
    return NoiseTranscript(signal, seconds, round(speech, 2), len(text.split()), text)


async def _send(stream: LiveSession, pcm: bytes) -> None:
    for chunk in chunks(pcm, 0.0):
        await stream.send(chunk)
    await stream.end()


def measure(request: BenchRequest) -> int:
    """Play every sound and print what was heard; the exit code.

    Raises:
        DalstonError: the server can't be had, or a session broke off.
        KeyboardInterrupt: Ctrl-C; what was measured is kept.
    """
    console, found = Console(stderr=True), list[NoiseTranscript]()
    settings = request.settings()
    document = Document("noise", settings, found, conditions())
    with server(request.url, request.pid, 1, request.chosen) as running:
        settings["server"] = dict(running.settings)
        target = request.target(running.url)
        try:
            for signal in SIGNALS:
                with console.status(signal):
                    found.append(asyncio.run(listen(target, signal, request.seconds, request.seed)))
                document.save(request.out)
        finally:  # whatever ended it: what was measured is shown
            if found:
                Console().print(table(found))
    print(f"The whole result is in {request.out}.")
    return ExitCode.OK


def table(found: Sequence[NoiseTranscript]) -> Table:
    """A row for each sound."""
    wide = any(each.text for each in found)
    rows = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=wide)
    rows.add_column("Sound", no_wrap=True)
    rows.add_column("False words a minute", justify="right", min_width=12)
    rows.add_column("Taken for speech, %", justify="right", min_width=12)
    rows.add_column("Text", overflow="ellipsis", no_wrap=True, ratio=1)
    for each in found:
        share = 100 * each.speech_seconds / each.seconds
        rows.add_row(each.signal, f"{each.words_per_minute:.1f}", f"{share:.1f}", each.text)
    return rows

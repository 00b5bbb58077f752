"""Plays sounds in which nobody speaks, and speech with music behind it, and counts the words nobody said."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from bench.load.chunks import chunks
from bench.load.load_plan import LoadPlan
from bench.load.player import PlaybackTarget
from bench.measure.word_errors import false_words
from bench.recordings.align import floats
from bench.recordings.recording import BYTES_PER_SECOND, Recording
from bench.recordings.signals import SIGNALS, generate
from bench.report.result_file import ResultFile, conditions
from bench.request import BenchRequest
from bench.scenarios.collaborators import REAL, Collaborators
from bench.servers.measured_server import measured_server
from dalston_realtime.cli.exits import ExitCode
from dalston_realtime.client.audio.files import to_pcm
from dalston_realtime.client.session import LiveSession, transcribe_stream
from dalston_realtime.protocol.events import Final as FinalEvent
from dalston_realtime.protocol.events import SessionEnd

MUSIC: Final = "music, -20 dB"  # Of SIGNALS, that which is played behind speech.
BEHIND: Final = "speech with music behind it"
BEHIND_DB: Final = 15.0  # Decibels by which the music is quieter than the speech, as in a film or a shop.


@dataclass(frozen=True, slots=True)
class NoiseTranscript:
    """What the server made of one sound; `speech_seconds` are those that the VAD classified as speech."""

    signal: str
    seconds: float
    speech_seconds: float
    words: int
    text: str
    said: int = 0  # words of its reference text: those are no false ones

    @property
    def words_per_minute(self) -> float:
        """Words in a minute, each of which is a false one."""
        return 60 * self.words / self.seconds


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound of 16 kHz, s16le, and what is said in it."""

    name: str
    pcm: bytes
    said: str = ""


def sounds(request: BenchRequest, plan: LoadPlan) -> Iterator[Sound]:
    """All sounds without speech, then the longest recording that has a reference text, with music."""
    for name in SIGNALS:
        yield Sound(name, to_pcm(generate(name, request.seconds, request.seed)))
    spoken = [each for each in plan.recordings if each.text]
    if spoken:
        longest = max(spoken, key=lambda each: each.seconds)
        yield Sound(BEHIND, with_music(longest, request.seed), longest.text or "")


def with_music(recording: Recording, seed: int) -> bytes:
    """The recording with music that is quieter by `BEHIND_DB`."""
    speech = floats(recording.pcm)
    music = generate(MUSIC, recording.seconds, seed)[: len(speech)]
    level = np.sqrt(np.mean(speech**2) / np.mean(music**2)) * 10 ** (-BEHIND_DB / 20)
    return to_pcm(speech + music * np.float32(level))


async def play_sound(target: PlaybackTarget, sound: Sound) -> NoiseTranscript:
    """Play one sound; returns what came back.

    Raises:
        ClientError: the session broke off.
    """
    texts: list[str] = []
    speech = 0.0
    async with transcribe_stream(target.url, model=target.model, interim_results=False) as stream:
        sending = asyncio.create_task(_send(stream, sound.pcm))
        try:
            async for event in stream:
                if isinstance(event, FinalEvent):
                    texts.append(event.text.strip())
                elif isinstance(event, SessionEnd):
                    speech = event.speech_duration or 0.0
            await sending
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    text = " ".join(filter(None, texts))
    seconds = len(sound.pcm) / BYTES_PER_SECOND
    false, said = false_words(sound.said, text)
    return NoiseTranscript(sound.name, seconds, round(speech, 2), false, text, said)


async def _send(stream: LiveSession, pcm: bytes) -> None:
    for chunk in chunks(pcm, 0.0):
        await stream.send(chunk)
    await stream.end()


def measure(request: BenchRequest, collaborators: Collaborators = REAL) -> int:
    """Play every sound and print the words that came back; returns the exit code.

    Raises:
        DalstonError: there is no server, or a session broke off.
        KeyboardInterrupt: Ctrl-C; what was measured is kept.
    """
    console, found = Console(stderr=True), list[NoiseTranscript]()
    settings = request.to_settings()
    result_file = ResultFile("noise", settings, found, conditions())
    start, chosen = collaborators.start_server, request.server_settings
    with measured_server(request.url, request.pid, 1, chosen, start) as server:
        settings["server"] = dict(server.settings)
        target = request.target(server.url)
        try:
            for sound in sounds(request, collaborators.load_plan(request)):
                with console.status(sound.name):
                    found.append(asyncio.run(play_sound(target, sound)))
                result_file.save(request.out)
        finally:  # Also after Ctrl-C or an error, what was measured is shown.
            if found:
                Console().print(table(found))
    print(f"The whole result is in {request.out}.")
    return ExitCode.OK


def table(found: Sequence[NoiseTranscript]) -> Table:
    """A table with a row for each sound."""
    wide = any(each.text for each in found)
    rows = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=wide)
    rows.add_column("Sound", no_wrap=True)
    rows.add_column("False words a minute", justify="right", min_width=12)
    rows.add_column("Classified as speech, %", justify="right", min_width=12)
    rows.add_column("Text", overflow="ellipsis", no_wrap=True, ratio=1)
    for each in found:
        share = 100 * each.speech_seconds / each.seconds
        rows.add_row(each.signal, f"{each.words_per_minute:.1f}", f"{share:.1f}", each.text)
    return rows

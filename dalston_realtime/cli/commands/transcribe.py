"""Defines `dalston-rt transcribe`, which transcribes recordings while they play, and saves transcripts."""

import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dalston_realtime.cli import options as opt
from dalston_realtime.cli.commands.job import print_job, wait_for
from dalston_realtime.cli.display.latency_table import print_budget
from dalston_realtime.cli.display.view import TranscriptView, make_view
from dalston_realtime.cli.exits import ExitCode, run_command
from dalston_realtime.cli.finish import FinishedSession, finish_session
from dalston_realtime.cli.save import output_paths, require_format
from dalston_realtime.cli.transcription import AudioSource, Outcome, transcribe_source
from dalston_realtime.client.audio.pacing import as_taken, in_real_time
from dalston_realtime.client.audio.streams import pieces_as_they_are, pipe_chunks, stdin_chunks
from dalston_realtime.client.clock import WallClock
from dalston_realtime.client.errors import AudioError
from dalston_realtime.client.results.subtitles import Format
from dalston_realtime.client.session import StreamOptions
from dalston_realtime.client.url import DEFAULT_URL

Files = Annotated[list[str], typer.Argument(metavar="FILE", help="Recordings; - is standard input.")]
Fast = Annotated[
    bool, typer.Option("--fast", help="Send as quickly as the server takes it, not at the pace of speech.")
]


@dataclass(frozen=True, slots=True)
class FileJob:
    """What to do with every recording."""

    request: opt.StreamRequest
    fast: bool
    view: TranscriptView


def transcribe(  # noqa: PLR0913 - one parameter for each option
    files: Files,
    *,
    fast: Fast = False,
    model: opt.Model = "fast",
    language: opt.Language = None,
    vocabulary: opt.Vocabulary = None,
    min_silence_ms: opt.MinSilenceMs = None,
    no_interim: opt.NoInterim = False,
    word_timestamps: opt.WordTimestamps = False,
    channel_mode: opt.Channels = "mix",
    encoding: opt.FileEncoding = None,
    store: opt.Store = False,
    enhance: opt.Enhance = False,
    json: opt.Events = False,
    timing: opt.Timing = False,
    save: opt.Save = None,
    output_dir: opt.OutputDir = None,
    url: opt.Url = DEFAULT_URL,
) -> None:
    """Transcribe recordings, one after another, as if they were spoken now.

    Any format that libsndfile reads: wav, flac, ogg, opus, mp3 and more; with the extra media also
    m4a, mp4, webm and aac. Standard input (-) is a recording too, or raw audio of 16 kHz, mono, 16 bits.
    --encoding container leaves WebM, Ogg, MP4, MP3, FLAC and WAV to the server, and sends a pipe as it grows.
    Ctrl-C ends the audio and prints what was said until then.
    """
    request = opt.StreamRequest(
        url,
        model,
        StreamOptions(
            language=language,
            vocabulary=vocabulary or None,
            min_silence_ms=min_silence_ms,
            interim_results=False if no_interim else None,
            word_timestamps=word_timestamps or None,
            channel_mode="separate" if channel_mode == "separate" else None,
            encoding=encoding,
            timing=timing or None,
            store=store or None,
            enhance_on_end=enhance or None,
        ),
    )
    job = FileJob(request, fast, make_view(json))
    finished = run_command(_transcribe_all(files, job, save or (), output_dir))
    for session in finished:
        _show_enhanced(session, url, json=json)
    if timing and any(session.outcome.transcript.begin for session in finished):
        samples = [sample for session in finished for sample in session.outcome.samples]
        print_budget(Console(stderr=json), samples, fast)
    raise typer.Exit(next((d.code for d in finished if d.code), ExitCode.OK))


def _show_enhanced(session: FinishedSession, url: str, *, json: bool) -> None:
    """Wait for the job of a session that asked for one, and print what it made."""
    end = session.outcome.transcript.end
    if end is None or end.enhancement_job_id is None:
        return
    job_id = end.enhancement_job_id
    try:
        print_job(run_command(wait_for(job_id, url)), json=json)
    except KeyboardInterrupt:
        print(f"the job goes on: dalston-rt job {job_id} --wait", file=sys.stderr)
        raise typer.Exit(ExitCode.INTERRUPTED) from None


async def _transcribe_all(
    files: Sequence[str], job: FileJob, formats: Sequence[Format], folder: Path | None
) -> list[FinishedSession]:
    """Each file by itself; after Ctrl-C none is begun."""
    require_format(formats, folder)
    outputs = output_paths(files, formats, folder)
    done: list[FinishedSession] = []
    for name in files:
        outcome = await _transcribe_one(name, job)
        done.append(finish_session(name, outcome, outputs[name], job.view))
        if outcome.interrupted:
            break
    return done


async def _transcribe_one(name: str, job: FileJob) -> Outcome:
    try:
        with _opened(name, job) as source:
            return await transcribe_source(source, job.request, job.view)
    except AudioError as error:
        return Outcome(error=error)


@contextmanager
def _opened(name: str, job: FileJob) -> Iterator[AudioSource]:
    if job.request.options.get("encoding") is not None:
        yield AudioSource(name, pieces_as_they_are(name))
        return
    separate = job.request.options.get("channel_mode") == "separate"
    is_stream = name == "-" or Path(name).is_fifo()
    if is_stream and separate:
        raise AudioError(f"{name}: separate channels are read from files only")
    if is_stream:
        chunks = stdin_chunks() if name == "-" else pipe_chunks(Path(name))
        yield AudioSource(name, _paced(chunks, job.fast))
        return
    from dalston_realtime.client.audio.files import open_audio  # its libraries are loaded only for files

    with open_audio(Path(name), separate=separate) as file:
        chunks = _paced(as_taken(file.chunks), job.fast, file.channels)
        yield AudioSource(name, chunks, file.duration, channels=file.channels)


def _paced(chunks: AsyncIterator[bytes], fast: bool, channels: int = 1) -> AsyncIterator[bytes]:
    return chunks if fast else in_real_time(chunks, WallClock(), channels)

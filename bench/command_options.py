"""Defines the options of `dalston-rt bench` and its commands."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dalston_realtime.cli.options import min_silence

_SERVER, _LOAD, _OUTPUT = "Server", "Load", "Output"

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="A running server; without it, the benchmark starts one.",
        rich_help_panel=_SERVER,
    ),
]
RunningUrl = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="A running server; without it, the stages run in this process.",
        rich_help_panel=_SERVER,
    ),
]
ServerPid = Annotated[
    int | None,
    typer.Option(
        metavar="PID", help="Root of the processes of the server at --url.", rich_help_panel=_SERVER
    ),
]
ServerSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting of the server that it starts, such as asr_threads=1; repeatable.",
        rich_help_panel=_SERVER,
    ),
]
Model = Annotated[
    str, typer.Option(metavar="NAME", help="The model, as clients name it.", rich_help_panel=_LOAD)
]
SessionCounts = Annotated[
    str, typer.Option(metavar="N,N,...", help="Numbers of simultaneous sessions.", rich_help_panel=_LOAD)
]
Seconds = Annotated[
    float,
    typer.Option(
        min=0.1, metavar="S", help="Seconds of audio that each session plays.", rich_help_panel=_LOAD
    ),
]
AudioFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="Recordings of your own, with NAME.txt beside NAME.wav.",
        rich_help_panel=_LOAD,
    ),
]
FlushAfter = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        metavar="S",
        help="Flush this long after the end of speech, as voice agents do.",
        rich_help_panel=_LOAD,
    ),
]
MinSilenceMs = Annotated[
    Any,
    typer.Option(
        "--min-silence",
        metavar="MS",
        parser=min_silence,
        help="Silence that ends an utterance, 100 to 3000, or auto.",
        rich_help_panel=_LOAD,
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of the order of the recordings.", rich_help_panel=_LOAD)]
OutputFile = Annotated[
    Path, typer.Option(metavar="FILE", help="The result, as JSON.", rich_help_panel=_OUTPUT)
]
OlderResult = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Print the ratios to an older result.", rich_help_panel=_OUTPUT),
]
ReportFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Charts and tables as one HTML file.", rich_help_panel=_OUTPUT),
]
FinalBound = Annotated[
    float,
    typer.Option(min=0.05, metavar="S", help="Limit of p95 of the time to final.", rich_help_panel=_LOAD),
]
SessionLimit = Annotated[
    int, typer.Option(min=1, max=1_000, metavar="N", help="The largest number to try.", rich_help_panel=_LOAD)
]
SessionCount = Annotated[
    int,
    typer.Option(
        "--sessions",
        min=1,
        max=1_000,
        metavar="N",
        help="Number of simultaneous sessions.",
        rich_help_panel=_LOAD,
    ),
]
CombinationLimit = Annotated[
    int,
    typer.Option(min=2, max=256, metavar="N", help="Largest number of combinations.", rich_help_panel=_LOAD),
]
Direct = Annotated[
    bool,
    typer.Option(
        "--direct",
        help="Connect to the worker, past the gateway: its five stages alone.",
        rich_help_panel=_LOAD,
    ),
]
WorkerCount = Annotated[
    int,
    typer.Option(min=1, max=256, metavar="N", help="Number of workers.", rich_help_panel=_SERVER),
]
IdleWorkerCount = Annotated[
    int,
    typer.Option(
        min=1, max=256, metavar="N", help="Number of workers for idle sessions.", rich_help_panel=_SERVER
    ),
]
IdleSessionCount = Annotated[
    int, typer.Option(min=1, max=4_000, metavar="N", help="Number of idle sessions.", rich_help_panel=_LOAD)
]
Silences = Annotated[
    list[str] | None,
    typer.Argument(metavar="MS", help="100 to 3000, or auto; [dim]default: 300 400 500 600 auto[/]"),
]
DecodeMs = Annotated[
    float,
    typer.Option(min=0.0, metavar="MS", help="Time of a pass of the model.", rich_help_panel=_LOAD),
]
Revision = Annotated[str, typer.Option(metavar="REV", help="A commit, a branch or a tag.")]
RoundCount = Annotated[
    int, typer.Option(min=1, max=100, metavar="N", help="Number of rounds.", rich_help_panel=_LOAD)
]
TextSets = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="SET",
        help="Play this set alone: reading, spontaneous or meetings; repeatable.",
        rich_help_panel=_LOAD,
    ),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="KIND",
        help="numbers, answers, repeats or push-to-talk; repeatable. [dim]default: all[/]",
        rich_help_panel=_LOAD,
    ),
]
SeedCount = Annotated[
    int,
    typer.Option(
        "--seeds", min=1, max=1_000, metavar="N", help="Seeds, from --seed on.", rich_help_panel=_LOAD
    ),
]
CaseLimit = Annotated[
    int | None,
    typer.Option(
        "--cases", min=1, metavar="N", help="Cases of each kind and seed, at most.", rich_help_panel=_LOAD
    ),
]

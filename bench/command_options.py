"""The options of `dalston-rt bench` and its commands."""

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
        help="A server that runs; without it, one of its own.",
        rich_help_panel=_SERVER,
    ),
]
ServerPid = Annotated[
    int | None,
    typer.Option(metavar="PID", help="Root of the server's processes at --url.", rich_help_panel=_SERVER),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting of its own server, such as asr_threads=1; repeatable.",
        rich_help_panel=_SERVER,
    ),
]
Model = Annotated[str, typer.Option(metavar="NAME", help="As clients ask for it.", rich_help_panel=_LOAD)]
Sessions = Annotated[
    str, typer.Option(metavar="N,N,...", help="Sessions at once, in steps.", rich_help_panel=_LOAD)
]
Seconds = Annotated[
    float, typer.Option(min=0.1, metavar="S", help="Audio that each session plays.", rich_help_panel=_LOAD)
]
Audio = Annotated[
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
Seed = Annotated[int, typer.Option(help="Of the order of the recordings.", rich_help_panel=_LOAD)]
Out = Annotated[Path, typer.Option(metavar="FILE", help="The result, as JSON.", rich_help_panel=_OUTPUT)]
Compare = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Print the ratios to an older result.", rich_help_panel=_OUTPUT),
]
Report = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Pictures as one HTML file.", rich_help_panel=_OUTPUT),
]
Bound = Annotated[
    float,
    typer.Option(min=0.05, metavar="S", help="What p95 of the time to final may be.", rich_help_panel=_LOAD),
]
Most = Annotated[
    int, typer.Option(min=1, max=1_000, metavar="N", help="More are not tried.", rich_help_panel=_LOAD)
]
AtOnce = Annotated[
    int,
    typer.Option(
        "--sessions", min=1, max=1_000, metavar="N", help="Sessions at once.", rich_help_panel=_LOAD
    ),
]
Limit = Annotated[
    int, typer.Option(min=2, max=256, metavar="N", help="Combinations at most.", rich_help_panel=_LOAD)
]
Direct = Annotated[
    bool,
    typer.Option(
        "--direct",
        help="Connect to the worker, past the gateway: its five stages alone.",
        rich_help_panel=_LOAD,
    ),
]
Workers = Annotated[
    int,
    typer.Option(min=1, max=256, metavar="N", help="Workers of its own.", rich_help_panel=_SERVER),
]
IdleWorkers = Annotated[
    int,
    typer.Option(min=1, max=256, metavar="N", help="The same for idle sessions.", rich_help_panel=_SERVER),
]
Idle = Annotated[
    int, typer.Option(min=1, max=4_000, metavar="N", help="Idle sessions.", rich_help_panel=_LOAD)
]
Silences = Annotated[
    list[str] | None,
    typer.Argument(metavar="MS", help="100 to 3000, or auto; [dim]default: 300 400 500 600 auto[/]"),
]
DecodeMs = Annotated[
    float,
    typer.Option(min=0.0, metavar="MS", help="What a pass of the model takes.", rich_help_panel=_LOAD),
]
Rev = Annotated[str, typer.Option(metavar="REV", help="A commit, a branch or a tag.")]
Rounds = Annotated[int, typer.Option(min=1, max=100, metavar="N", help="Of both.", rich_help_panel=_LOAD)]

"""Defines the options that commands share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from dalston_realtime.cli.server_address import server_address
from dalston_realtime.client.results.subtitles import Format
from dalston_realtime.client.session import StreamOptions
from dalston_realtime.protocol.parameters import ChannelMode, MinSilence


def min_silence(text: str) -> MinSilence:
    """Milliseconds, or `auto`; the server says which of them it takes.

    Raises:
        typer.BadParameter: it is neither.
    """
    if text == "auto":
        return "auto"
    if text.isascii() and text.isdigit():
        return int(text)
    raise typer.BadParameter(f"{text!r} is neither auto nor a whole number of milliseconds")


_SESSION = "Session"
_OUTPUT = "Output"

Url = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="DALSTON_URL",
        metavar="URL",
        help="Address of the server; its port by default is DALSTON_GATEWAY_PORT.",
        callback=server_address,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout, for programs.")]

Model = Annotated[
    str,
    typer.Option(metavar="NAME", help="fast, accurate or a model's name.", rich_help_panel=_SESSION),
]
Language = Annotated[
    str | None,
    typer.Option(metavar="CODE", help="ISO 639-1 code, such as en, or auto.", rich_help_panel=_SESSION),
]
Vocabulary = Annotated[
    list[str] | None,
    typer.Option(metavar="PHRASE", help="A phrase to listen for; repeatable.", rich_help_panel=_SESSION),
]
MinSilenceMs = Annotated[
    Any,
    typer.Option(
        "--min-silence",
        "--min-silence-ms",
        metavar="MS",
        parser=min_silence,
        help="Silence that ends an utterance: 100 to 3000 ms, or auto.",
        rich_help_panel=_SESSION,
    ),
]
NoInterim = Annotated[
    bool, typer.Option("--no-interim", help="No partial results, only finals.", rich_help_panel=_SESSION)
]
WordTimestamps = Annotated[
    bool,
    typer.Option("--word-timestamps", help="Ask for times of words.", rich_help_panel=_SESSION),
]
Channels = Annotated[
    ChannelMode,
    typer.Option(
        "--channel-mode",
        metavar="MODE",
        help="mix, or separate: each channel of a file has a transcript of its own.",
        rich_help_panel=_SESSION,
    ),
]
FileEncoding = Annotated[
    Literal["container"] | None,
    typer.Option(
        "--encoding",
        metavar="ENCODING",
        help="container: send the file as it is, at once; the server decodes it.",
        rich_help_panel=_SESSION,
    ),
]
Store = Annotated[
    bool, typer.Option("--store", help="Keep the session in the server's history.", rich_help_panel=_SESSION)
]
Enhance = Annotated[
    bool,
    typer.Option(
        "--enhance",
        help="Keep the session, and make its transcript better after its end: speakers, clean text.",
        rich_help_panel=_SESSION,
    ),
]
SessionId = Annotated[
    str, typer.Argument(metavar="ID", help="A session, as `dalston-rt sessions` shows it, or last.")
]
Events = Annotated[
    bool,
    typer.Option(
        "--json",
        help="One JSON object per event and line, and nothing else, on stdout.",
        rich_help_panel=_OUTPUT,
    ),
]
Timing = Annotated[
    bool,
    typer.Option(
        "--timing",
        help="Print at the end how long each stage took, beside its budget.",
        rich_help_panel=_OUTPUT,
    ),
]
Save = Annotated[
    list[Format] | None,
    typer.Option("--save", help="Save as NAME.<format>; repeatable.", rich_help_panel=_OUTPUT),
]
OutputDir = Annotated[
    Path | None,
    typer.Option(
        "--output-dir",
        metavar="DIR",
        help="Folder for what --save writes; by default that of the input.",
        file_okay=False,
        rich_help_panel=_OUTPUT,
    ),
]


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """What to ask the server for."""

    url: str
    model: str
    options: StreamOptions

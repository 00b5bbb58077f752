"""Defines `dalston-rt export`, which writes the transcript of a session that the server keeps."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from dalston_realtime.cli import options as opt
from dalston_realtime.cli.exits import run_command
from dalston_realtime.cli.save import write_whole
from dalston_realtime.client import history
from dalston_realtime.client.results.subtitles import Format
from dalston_realtime.client.url import DEFAULT_URL

FormatOption = Annotated[Format, typer.Option("--format", help="What to write.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", dir_okay=False, help="File to write, instead of stdout."),
]


def export(
    session: opt.SessionId,
    form: FormatOption = Format.TXT,
    output: Output = None,
    url: opt.Url = DEFAULT_URL,
) -> None:
    """Write the transcript of a session that is kept, as text, JSON or subtitles."""
    run_command(_export(session, form, output, url))


async def _export(session: str, form: Format, output: Path | None, url: str) -> None:
    content = await history.exported(url, session, form)
    if output is None:
        sys.stdout.write(content)
    else:
        write_whole(output, content)

"""Defines `dalston-rt show`, which shows a session that the server keeps, and what was said in it."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from dalston_realtime.cli import options as opt
from dalston_realtime.cli.exits import run_command
from dalston_realtime.client import history
from dalston_realtime.client.errors import one_line
from dalston_realtime.client.indented_json import indented_json
from dalston_realtime.client.url import DEFAULT_URL
from dalston_realtime.subtitles.cues import plain

FIELDS = (
    "session_id", "title", "status", "reason", "begun_at", "ended_at", "model", "language", "audio_seconds",
    "words", "resumes", "failovers", "metadata", "missing",
)  # fmt: skip


def show(session: opt.SessionId, json: opt.Json = False, url: opt.Url = DEFAULT_URL) -> None:
    """Show a session that is kept, and what was said in it."""
    found = run_command(_load(url, session))
    if json:
        print(indented_json(found))
        return
    console = Console(highlight=False)
    for line in session_lines(found):
        console.print(line, soft_wrap=True)


async def _load(url: str, session_id: str) -> dict[str, Any]:
    """The session and its transcript; `last` is looked up once."""
    described = await history.session(url, session_id)
    transcript = await history.transcript(url, str(described.get("session_id")))
    return (
        described
        | {name: transcript.get(name) for name in ("source", "transcript")}
        | {"said": transcript.get("utterances")}
    )


def session_lines(found: Mapping[str, Any]) -> Iterator[Text]:
    """What is known of the session, then each utterance behind the second at which it begins."""
    for name in FIELDS:
        if found.get(name) not in (None, "", {}, []):
            yield Text.assemble((f"{name:<14}", "dim"), one_line(found[name], 400))
    yield Text()
    for utterance in found.get("said") or ():
        start, speaker = utterance.get("start"), utterance.get("speaker_name") or utterance.get("speaker")
        at = f"{start:8.1f}  " if isinstance(start, int | float) else " " * 10
        named = f"{one_line(speaker, 100)}: " if speaker else ""
        yield Text.assemble((at, "dim"), (named, "bold"), plain(str(utterance.get("text", ""))))

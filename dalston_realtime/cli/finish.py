"""The outcome of one session in; saved files, a summary or a complaint, and an exit code out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dalston_realtime.cli.display.phrases import summary
from dalston_realtime.cli.display.view import TranscriptView
from dalston_realtime.cli.exits import ExitCode, complain, exit_code
from dalston_realtime.cli.save import write
from dalston_realtime.cli.transcription import Outcome
from dalston_realtime.client.errors import AudioError, ClientError, OutputError


@dataclass(frozen=True, slots=True)
class Delivery:
    """A session that is over, and what it means for the exit code."""

    outcome: Outcome
    code: ExitCode


def deliver(name: str, outcome: Outcome, outputs: Sequence[Path], view: TranscriptView) -> Delivery:
    """Save what there is, even of a session that broke off, and say what came of it."""
    for note in outcome.notes:
        view.tell(note)
    saved = True
    if outcome.transcript.begin is not None:
        saved = _save(outcome, outputs, view)
        view.tell(summary(outcome.transcript))
    if outcome.error is not None:
        complain(_named(name, outcome.error))
        return Delivery(outcome, exit_code(outcome.error))
    if outcome.interrupted:
        return Delivery(outcome, ExitCode.INTERRUPTED)
    return Delivery(outcome, ExitCode.OK if saved else ExitCode.USAGE)


def _named(name: str, error: ClientError) -> str:
    """The error with the audio it is about, which errors of audio name themselves."""
    return str(error) if isinstance(error, AudioError) else f"{name}: {error}"


def _save(outcome: Outcome, outputs: Sequence[Path], view: TranscriptView) -> bool:
    try:
        for path in outputs:
            write(path, outcome.transcript)
            view.tell(f"saved {path}")
    except OutputError as error:
        complain(error)
        return False
    return True

"""Saves what a session brought, says how it ended, and finds the exit code for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dalston_realtime.cli.display.phrases import summary
from dalston_realtime.cli.display.view import TranscriptView
from dalston_realtime.cli.exits import ExitCode, complain, exit_code
from dalston_realtime.cli.save import save_transcript
from dalston_realtime.cli.transcription import Outcome
from dalston_realtime.client.errors import AudioError, ClientError, OutputError


@dataclass(frozen=True, slots=True)
class FinishedSession:
    """A session that is over, and what it means for the exit code."""

    outcome: Outcome
    code: ExitCode


def finish_session(
    name: str, outcome: Outcome, outputs: Sequence[Path], view: TranscriptView
) -> FinishedSession:
    """Save what there is, even of a session that broke off, and say what came of it."""
    for note in outcome.notes:
        view.print_note(note)
    saved = True
    if outcome.transcript.begin is not None:
        saved = _save_all(outcome, outputs, view)
        if outcome.error is None or outcome.transcript.finals:  # Else the error says all that there is.
            view.print_note(summary(outcome.transcript))
    if outcome.error is not None:
        complain(_with_name(name, outcome.error))
        return FinishedSession(outcome, exit_code(outcome.error))
    if outcome.interrupted:
        return FinishedSession(outcome, ExitCode.INTERRUPTED)
    return FinishedSession(outcome, ExitCode.OK if saved else ExitCode.USAGE)


def _with_name(name: str, error: ClientError) -> str:
    """The error with the audio it is about, which errors of audio name themselves."""
    return str(error) if isinstance(error, AudioError) else f"{name}: {error}"


def _save_all(outcome: Outcome, outputs: Sequence[Path], view: TranscriptView) -> bool:
    try:
        for path in outputs:
            save_transcript(path, outcome.transcript)
            view.print_note(f"saved {path}")
    except OutputError as error:
        complain(error)
        return False
    return True

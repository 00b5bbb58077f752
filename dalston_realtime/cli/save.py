"""Finds where transcripts are saved, and writes them whole or not at all."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from dalston_realtime.client.errors import OutputError, UsageError
from dalston_realtime.client.results.subtitles import Format, render
from dalston_realtime.client.results.transcript import SessionTranscript

TRIAL_BYTES: Final = 1 << 20  # Written to see whether there is room; the transcript of ten hours is less.


def output_paths(
    names: Sequence[str], formats: Sequence[Format], folder: Path | None
) -> dict[str, list[Path]]:
    """For each input the files to write; `folder` is made where it is missing.

    Each is tried before any audio is sent, so that nobody waits an hour to hear that a disk is full.

    Raises:
        UsageError: two inputs would write the same file, or an output is an input.
        OutputError: `folder` can't be made, or a file can't be written.
    """
    wanted = list(dict.fromkeys(formats))
    paths = {name: [_output_path(name, folder, form) for form in wanted] for name in names}
    outputs = [path for several in paths.values() for path in several]
    for path in outputs:
        if outputs.count(path) > 1:
            raise UsageError(f"two inputs would both be saved as {path}; run them one by one")
        if str(path) in names:
            raise UsageError(f"saving would overwrite the input {path}; choose an --output-dir")
    if folder is not None and wanted:
        _make_folder(folder)
    for path in outputs:
        if path.parent.exists():  # else the input beside it is missing too, and that is said in its turn
            _try_to_write(path)
    return paths


def require_format(formats: Sequence[Format], folder: Path | None) -> None:
    """Check that a folder for transcripts comes with a format to save them in.

    Raises:
        UsageError: there is none, and nothing would be saved.
    """
    if folder is not None and not formats:
        raise UsageError("--output-dir saves nothing by itself; name a format too, such as --save txt")


def save_transcript(path: Path, transcript: SessionTranscript) -> None:
    """Write the transcript in the format that the suffix names; atomically.

    Raises:
        OutputError: it can't be written; an older file is as it was.
    """
    write_whole(path, render(transcript, Format(path.suffix[1:])))


def write_whole(path: Path, content: str) -> None:
    """Write a file, whole or not at all.

    Raises:
        OutputError: it can't be written; an older file is as it was.
    """
    draft = _draft(path)
    try:
        draft.write_text(content, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise _unwritable(path, error) from None


def _try_to_write(path: Path) -> None:
    """Write a draft of the size of a long transcript, and take it away again."""
    if path.is_dir():
        raise OutputError(f"{path}: can't be written (it is a folder)")
    draft = _draft(path)
    try:
        draft.write_bytes(bytes(TRIAL_BYTES))
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: can't be written ({error.strerror})")


def _output_path(name: str, folder: Path | None, form: Format) -> Path:
    source = Path("stdin" if name == "-" else name)
    return (folder or source.parent) / f"{source.stem}.{form}"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise OutputError(f"{folder}: is not a folder") from None
    except OSError as error:
        raise OutputError(f"{folder}: can't be made ({error.strerror})") from None

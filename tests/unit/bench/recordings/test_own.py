"""Checks that a folder of recordings is refused before a model is loaded, if it can't be used."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.recordings.own import audio_files, own_recordings, texts_without_audio
from dalston_realtime.client.errors import UsageError


def test_a_folder_without_audio_is_refused(tmp_path: Path) -> None:
    (tmp_path / "note.txt").touch()
    with pytest.raises(UsageError, match="no audio files"):
        audio_files(tmp_path)
    (tmp_path / "b.WAV").touch()
    (tmp_path / "a.flac").touch()
    assert [path.name for path in audio_files(tmp_path)] == ["a.flac", "b.WAV"]


def test_a_text_without_a_recording_is_named(tmp_path: Path) -> None:
    for name in ("a.wav", "a.txt", "b.wav.txt", "c.txt"):
        (tmp_path / name).touch()
    found = texts_without_audio(tmp_path, audio_files(tmp_path))
    assert [path.name for path in found] == ["b.wav.txt", "c.txt"]


def test_a_file_that_can_not_be_used_is_found_before_a_model_is_loaded(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "talk.wav", np.zeros(1_600), 16_000)
    (tmp_path / "talk.txt").write_bytes(b"caf\xe9")
    with pytest.raises(UsageError, match=r"talk\.txt: not a text in UTF-8"):
        own_recordings(tmp_path)
    (tmp_path / "talk.wav").write_bytes(b"RIFF")
    with pytest.raises(UsageError, match=r"talk\.wav: not audio"):
        own_recordings(tmp_path)

"""Checks where transcripts go: names without collisions, files that are whole or not there."""

import resource
from pathlib import Path

import pytest

from dalston_realtime.cli.save import output_paths, save_transcript
from dalston_realtime.client.errors import OutputError, UsageError
from dalston_realtime.client.results.subtitles import Format
from dalston_realtime.client.results.transcript import SessionTranscript
from dalston_realtime.protocol.events import Final

SAID = SessionTranscript(finals=[Final(text="Hello.", start=0.0, end=1.0)])


def test_files_are_beside_the_input_with_the_suffix_of_the_format() -> None:
    paths = output_paths(["talks/one.wav", "-"], [Format.SRT, Format.TXT, Format.SRT], None)

    assert paths == {
        "talks/one.wav": [Path("talks/one.srt"), Path("talks/one.txt")],
        "-": [Path("stdin.srt"), Path("stdin.txt")],
    }


def test_a_folder_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "er"

    assert output_paths(["a.wav"], [Format.VTT], folder) == {"a.wav": [folder / "a.vtt"]}
    assert folder.is_dir()


def test_nothing_to_save_touches_nothing(tmp_path: Path) -> None:
    assert output_paths(["a.wav"], [], tmp_path / "new") == {"a.wav": []}
    assert not (tmp_path / "new").exists()


def test_two_inputs_never_write_the_same_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.txt"):
        output_paths(["a.wav", "a.flac"], [Format.TXT], None)
    with pytest.raises(UsageError, match=r"a\.txt"):
        output_paths(["x/a.wav", "y/a.wav"], [Format.TXT], tmp_path)


def test_the_input_is_never_overwritten() -> None:
    with pytest.raises(UsageError, match="overwrite the input"):
        output_paths(["a.txt"], [Format.TXT], None)


def test_a_folder_that_can_not_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OutputError, match="file"):
        output_paths(["a.wav"], [Format.TXT], tmp_path / "file" / "sub")


def test_an_older_file_is_replaced_and_no_draft_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("older and much longer than the new one\n")

    save_transcript(path, SAID)

    assert path.read_text() == "Hello.\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_names_the_file_and_leaves_the_older_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.mkdir()  # a folder of that name can't be replaced

    with pytest.raises(OutputError, match=r"a\.txt: can't be written"):
        save_transcript(path, SAID)

    assert list(tmp_path.iterdir()) == [path]


def test_what_can_not_be_written_is_found_before_anything_is_heard(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()

    with pytest.raises(OutputError, match=r"a\.txt: can't be written"):
        output_paths([str(tmp_path / "a.wav")], [Format.TXT], None)
    output_paths([str(tmp_path / "gone" / "b.wav")], [Format.TXT], None)  # of no input, which is said later


def test_a_full_disk_is_found_before_anything_is_heard(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))  # as good as a full disk
    try:
        with pytest.raises(OutputError, match=r"a\.txt: can't be written"):
            output_paths([str(tmp_path / "a.wav")], [Format.TXT], None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert list(tmp_path.iterdir()) == []


def test_trying_leaves_the_older_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("older")

    output_paths([str(tmp_path / "a.wav")], [Format.TXT], None)

    assert [path.read_text() for path in tmp_path.iterdir()] == ["older"]

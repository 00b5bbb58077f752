"""The names of the files, and ids that can't become a part of a path."""

import pytest

from storage.recordings import BadSessionId, Recordings
from storage.recordings.layout import SegmentName, check_id, new_writer, read_segment_name


@pytest.mark.parametrize(
    "session_id",
    ["", ".", "..", "../x", "a/b", "a\\b", "/etc", "a\0b", "a\n", "ä", "-rf", "a" * 65, "%2e%2e", "a.wav"],
)
def test_an_id_that_could_leave_its_folder_is_refused(session_id: str, tmp_path: object) -> None:
    recordings = Recordings(str(tmp_path))
    for call in (recordings.open_audio, recordings.read_transcript, recordings.delete, recordings.finish):
        with pytest.raises(BadSessionId):
            call(session_id)


def test_an_id_of_ours_is_taken() -> None:
    assert check_id("0f3c6e2a9b7d4c5e8f1a2b3c4d5e6f70") == "0f3c6e2a9b7d4c5e8f1a2b3c4d5e6f70"


def test_the_name_of_a_segment_says_its_first_sample_and_its_writer() -> None:
    name = SegmentName(960_000, new_writer(3, "ab12cd34"))
    assert read_segment_name(str(name)) == name
    assert str(name).startswith("000000960000.00003-")


@pytest.mark.parametrize("name", ["x.wav", "1.00000-abcd.wav", "000000000001.00000-abcd.wav.new", "ended"])
def test_another_file_is_no_segment(name: str) -> None:
    assert read_segment_name(name) is None

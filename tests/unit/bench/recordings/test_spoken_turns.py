"""Checks the reading of labels of turns."""

from itertools import pairwise

from bench.recordings.spoken_turns import MEETINGS, read_rttm, scene


def test_a_file_has_the_turns_of_several_recordings() -> None:
    lines = [
        "SPEAKER one 1 0.5 2.0 <NA> <NA> anna <NA> <NA>",
        "",
        "SPEAKER two 1 1.0 1.0 <NA> <NA> ben <NA> <NA>",
        "SPEAKER one 1 3.0 0.5 <NA> <NA> ben <NA> <NA>",
    ]
    assert read_rttm(lines) == {"one": ((0.5, 2.5, "anna"), (3.0, 3.5, "ben")), "two": ((1.0, 2.0, "ben"),)}


def test_the_scene_has_two_people_who_take_turns() -> None:
    found = scene()
    assert found.speakers == 2
    assert all(end <= start for (_, end, _), (start, _, _) in pairwise(found.turns))
    assert found.turns[-1][1] <= found.seconds + 0.01


def test_there_are_14_meetings() -> None:
    assert len(MEETINGS) == 14

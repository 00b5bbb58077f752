"""Checks that result files are complete, free of secrets, and refused where they are not ours."""

import os
import re
from pathlib import Path

import orjson
import pytest

from bench.report.result_file import (
    ResultFile,
    check_writable,
    conditions,
    cpu_model,
    differences,
    read_levels,
    read_result,
    revision,
)
from dalston_realtime.client.errors import OutputError, UsageError
from tests.support.bench_results import SCORE, level


def test_what_makes_results_hard_to_compare_is_said() -> None:
    old = {"settings": {"seconds": 20.0, "sessions": [1]}, "conditions": {"cpu": "x", "when": "then"}}
    new = {"settings": {"seconds": 60.0, "sessions": [2]}, "conditions": {"cpu": "x", "when": "now"}}
    assert differences(new, old) == ["seconds was 20.0, is 60.0"]
    assert differences(old, old) == []


def test_a_result_file_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    ResultFile("bench", {"seed": 1}, [level(SCORE)], conditions()).save(path)
    found = read_result(path)
    assert found["results"][0]["figures"]["final_p50"] == pytest.approx(0.4)
    assert found["conditions"]["cores"] >= 1
    assert os.listdir(tmp_path) == ["result.json"]


def test_a_result_has_no_secrets(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    server = {"internal_secret": "0123456789abcdef", "max_batch": "4"}
    chosen = {"redis_url": "redis://:password@host"}
    ResultFile("bench", {"seed": 1, "chosen": chosen, "server": server}, [], {}).save(path)
    assert read_result(path)["settings"]["server"]["max_batch"] == "4"
    assert not re.search("0123456789abcdef|password", path.read_text())


@pytest.mark.parametrize("content", [b"", b"[]", b'{"format": 99}', b'{"format": 1}'])
def test_what_is_no_result_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="not a result of the benchmark"):
        read_result(path)


def test_a_result_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_result(Path("/nowhere/x.json"))
    with pytest.raises(OutputError, match="can't be written"):
        ResultFile("bench", {}, [], {}).save(Path("/nowhere/x.json"))


def test_only_numbers_of_sessions_are_compared(tmp_path: Path) -> None:
    for command in ("bench", "capacity"):
        ResultFile(command, {}, [level(SCORE)], {}).save(tmp_path / "x.json")
        assert read_levels(tmp_path / "x.json")["command"] == command
    ResultFile("noise", {}, [], {}).save(tmp_path / "x.json")
    with pytest.raises(UsageError, match="a result of `bench noise`"):
        read_levels(tmp_path / "x.json")


def test_whether_a_file_can_be_written_is_known_beforehand(tmp_path: Path) -> None:
    check_writable(tmp_path / "x.json")
    assert list(tmp_path.iterdir()) == []
    for path in (tmp_path, tmp_path / "none" / "x.json"):
        with pytest.raises(OutputError, match="can't be written"):
            check_writable(path)


def test_the_conditions_say_what_it_takes_to_repeat_it(tmp_path: Path) -> None:
    known = conditions()
    assert {"when", "revision", "cpu", "cores", "python", "versions"} <= known.keys()
    assert orjson.dumps(known)
    assert revision(tmp_path) is None
    assert cpu_model(tmp_path / "none") != ""

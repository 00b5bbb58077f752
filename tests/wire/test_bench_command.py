"""Runs the benchmark against a scripted server: what it sends, when, and what it records; and the command."""

import itertools
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bench.command import app
from bench.load.load_plan import LoadPlan
from bench.load.player import PlaybackTarget
from bench.measure.load_level import LevelMeasurement, LoadLevel
from bench.measure.process_usage import ProcessMeter
from bench.recordings.recording import Recording
from bench.report.result_file import read_result
from bench.request import BenchRequest
from bench.scenarios.collaborators import Collaborators
from bench.servers.measured_server import MeasuredServer, StartServer, own_server
from dalston_realtime.protocol.close_codes import CloseCode
from runtime.local_server import ROOT
from tests.support.client_commands import rt
from tests.support.fake_server import Call, Script, fake_server, two_utterances
from tests.support.managed_process import ManagedProcess

HELLO = Recording("hello", bytes(9_600), "Hello world. Good bye.", (("Hello", 0.0, 0.1),), 0.0, 0.2)
TAIL_S = 0.1


def measured(
    script: Script, sessions: int = 1, flush_after: float | None = None
) -> tuple[LoadLevel, list[str]]:
    """What one recording in each session gave, and the messages that the server got."""
    load = LoadPlan([HELLO], HELLO.seconds, seed=1, tail_s=TAIL_S)
    with fake_server(script) as server:
        target = PlaybackTarget(server.url, flush_after=flush_after)
        level = LevelMeasurement(sessions, target, load, ProcessMeter(os.getpid())).run()
    assert all(size <= 3_200 for size in server.frames)
    return level, [str(message["type"]) for message in server.messages]


def test_a_recording_and_the_silence_behind_it_are_played_and_scored() -> None:
    level, messages = measured(two_utterances)
    (found,) = level.scores
    assert (found.text, found.error, found.word_errors) == ("Hello world. Good bye.", None, 0)
    assert found.connected >= HELLO.seconds + TAIL_S
    assert messages == ["end"]
    assert level.figures.cores is not None


def test_progress_is_told_second_by_second() -> None:
    told: list[float] = []
    long = replace(HELLO, pcm=bytes(2 * 32_000))
    with fake_server(two_utterances) as server:
        load = LoadPlan([long], long.seconds, seed=1, tail_s=TAIL_S)
        LevelMeasurement(1, PlaybackTarget(server.url), load, ProcessMeter(None), told.append).run()
    assert told == [pytest.approx(1.0)] * 2


def test_all_sessions_are_played_at_once() -> None:
    level, _ = measured(two_utterances, sessions=3)
    assert sorted(found.session for found in level.scores) == [0, 1, 2]


def test_the_results_of_all_sessions_make_the_budget() -> None:
    level, _ = measured(two_utterances)
    asr = next(row for row in level.budget if row.stage == "ASR inference")
    assert asr.finals is not None
    assert asr.finals.p50 == pytest.approx(100.0)


def test_a_flush_goes_out_behind_the_end_of_speech() -> None:
    _, messages = measured(two_utterances, flush_after=0.1)
    assert messages == ["flush", "end"]


async def _refuse(call: Call) -> None:
    await call.fail(CloseCode.NO_CAPACITY, "all slots are taken", retry_after=1.0)


async def _hang_up(call: Call) -> None:
    await call.begin()
    await call.receive()
    await call.socket.close(1011, "internal")


@pytest.mark.parametrize(("script", "why"), [(_refuse, "all slots are taken"), (_hang_up, "1011")])
def test_what_breaks_a_session_is_noted(script: Script, why: str) -> None:
    level, _ = measured(script)
    assert level.figures.failed == 1
    assert why in level.errors[0]


def short_load(_request: BenchRequest) -> LoadPlan:
    """One recording for each session, which needs no alignment."""
    return LoadPlan([HELLO], HELLO.seconds, 1, TAIL_S)


@contextmanager
def scripted_server(
    _sessions: int, chosen: Mapping[str, str], _root: Path = ROOT
) -> Iterator[MeasuredServer]:
    """The scripted server in the place of the benchmark's own."""
    with fake_server() as server:
        yield MeasuredServer(server.url, os.getpid(), chosen)


def bench(*options: object, server: StartServer = scripted_server, revision: Path = ROOT) -> Result:
    """Run `dalston-rt bench` with the short load, and `revision` as the files of every revision."""
    handed_in = Collaborators(short_load, server, lambda rev: nullcontext(revision))
    result = CliRunner(env={"COLUMNS": "100"}).invoke(app, [str(each) for each in options], obj=handed_in)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_command_prints_a_table_and_writes_a_result(tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    with fake_server() as server:
        common = ("--url", server.url, "--seconds", 0.1, "--sessions", "1,2")
        first = bench(*common, "--out", out)
        common = (*common[:-1], "1")
        second = bench(*common, "--out", tmp_path / "new.json", "--compare", out)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "Time to final p50" in first.stdout
    assert "Latency budget at N = 2" in first.stdout
    assert "New by old" in second.stdout
    found = read_result(out)
    assert [level["sessions"] for level in found["results"]] == [1, 2]
    assert (found["settings"]["url"], found["settings"]["seed"]) == (server.url, 1)


@pytest.mark.parametrize(
    ("options", "code", "why"),
    [
        (("--sessions", "many"), 2, "--sessions 'many'"),
        (("--compare", "/nowhere.json"), 2, "No such file"),
        (("--set", "x"), 2, "is not NAME=VALUE"),
        (("--set", "fanout=what=2", "--seconds", 0.1), 2, "DALSTON_FANOUT"),
        (("--out", "/nowhere/x.json"), 2, "can't be written"),
        (("--report", "/nowhere/x.html"), 2, "can't be written"),
        (("--url", "ftp://there"), 2, "not the URL of a server"),
    ],
)
def test_what_can_not_be_is_one_line(options: tuple[object, ...], code: int, why: str) -> None:
    result = bench(*options, server=own_server)
    assert result.exit_code == code
    assert why in result.stderr
    assert result.stderr.count("\n") == 1


def test_where_no_server_answers_the_command_fails(tmp_path: Path) -> None:
    options = ("--url", "ws://127.0.0.1:1", "--seconds", 0.1, "--sessions", 1, "--out", tmp_path / "x.json")
    result = bench(*options)
    assert result.exit_code == 3
    assert "no server answers" in result.stderr
    assert not (tmp_path / "x.json").exists()


def lost_after(sessions: int) -> Script:
    """A script of a server that takes so many sessions, and refuses all others."""
    count = itertools.count(1)

    async def script(call: Call) -> None:
        await (two_utterances if next(count) <= sessions else _refuse)(call)

    return script


def test_a_server_that_is_lost_ends_the_run_with_what_was_measured(tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    with fake_server(lost_after(2)) as server:  # the first one warms it up
        options = ("--url", server.url, "--seconds", 0.1, "--sessions", "1,2,4", "--out", out)
        result = bench(*options)
    assert result.exit_code == 5
    assert "all slots are taken" in result.stdout
    assert [(level["sessions"], level["figures"]["failed"]) for level in read_result(out)["results"]] == [
        (1, 0),
        (2, 2),
    ]


def test_a_server_that_is_lost_is_no_answer_to_how_many_it_holds(tmp_path: Path) -> None:
    out = tmp_path / "capacity.json"
    with fake_server(lost_after(2)) as server:
        result = bench("capacity", "--url", server.url, "--bound", 5, "--most", 4, "--out", out)
    assert result.exit_code == 4
    assert "all slots are taken" in result.stderr
    assert "Time to final" in result.stdout
    assert "held" not in result.stdout
    assert "verdict" not in read_result(out)["answer"]


def announced(session: int) -> tuple[threading.Event, Script]:
    """A script that says when this session, counted from 1, has begun."""
    begun, count = threading.Event(), itertools.count(1)

    async def script(call: Call) -> None:
        if next(count) == session:
            begun.set()
        await two_utterances(call)

    return begun, script


SHORT_AND_LONG = """
from bench.command import app
from bench.load.load_plan import LoadPlan
from bench.recordings.recording import Recording
from bench.scenarios.collaborators import Collaborators

SIZES = {"short": 3_200, "long": 3_200_000}
RECORDINGS = [Recording(name, bytes(size), None, (), 0.0, 0.1) for name, size in SIZES.items()]
load_plan = lambda request: LoadPlan(RECORDINGS, request.seconds, request.seed)
app(prog_name="dalston-rt", obj=Collaborators(load_plan))
"""
"""The command with a recording of 0.1 s, that warms the server up, and one of 100 s."""


def test_ctrl_c_keeps_what_was_measured(tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    second, script = announced(2)  # the first one warms the server up
    with fake_server(script) as server:
        options = ["--url", server.url, "--sessions", "1,2", "--seconds", "150", "--out", str(out)]
        with ManagedProcess(sys.executable, "-c", SHORT_AND_LONG, *options) as run:
            assert second.wait(30)
            run.send(signal.SIGINT)
            assert run.wait(20) == 130, run.lines
            assert not any("Traceback" in line for line in run.lines)
    (level,) = read_result(out)["results"]
    assert level["interrupted"]


def test_the_best_fan_out_is_looked_for(tmp_path: Path) -> None:
    out = tmp_path / "fanout.json"
    result = bench("fanout", "--sessions", 1, "--limit", 2, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert "defaults" in result.stdout
    found = read_result(out)
    assert [each["rounds"] for each in found["results"]] == [1, 1]
    assert {} in [each["settings"] for each in found["results"]]
    assert found["answer"].split("\n")[0] in result.stdout.replace("\n", " ")


def test_the_tree_is_compared_with_a_revision(tmp_path: Path) -> None:
    out = tmp_path / "guard.json"
    result = bench("guard", "--rev", "v1", "--rounds", 2, "--sessions", 1, "--out", out, revision=tmp_path)
    assert result.exit_code == 0, result.stderr
    assert "The tree by v1, 2 rounds" in result.stdout
    rounds = read_result(out)["results"]
    assert [sorted(each) for each in rounds] == [["revision", "tree"]] * 2
    assert "time_to_final" in rounds[0]["tree"]["scores"][0]
    assert "final_p50" in {ratio["figure"] for ratio in read_result(out)["answer"]}


def test_the_overhead_is_measured_until_it_breaks(tmp_path: Path) -> None:
    out = tmp_path / "overhead.json"
    result = bench("overhead", "--sessions", "1,2", "--seconds", 0.5, "--out", out)
    assert result.exit_code == 0, result.stderr
    steps = read_result(out)["results"]
    assert steps[0]["failed"] == 0
    assert steps[0]["frames_per_second"] > 0


@pytest.mark.parametrize("command", ["fanout", "overhead", "guard"])
def test_what_needs_a_server_of_its_own_takes_no_url(command: str) -> None:
    assert bench(command, "--url", "ws://there").exit_code == 2


def test_every_command_has_its_help() -> None:
    for command in ("capacity", "fanout", "guard", "noise", "overhead", "words"):
        assert bench(command, "--help").exit_code == 0
        assert command in rt(None, "bench", "--help").stdout

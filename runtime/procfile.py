"""Builds the command and the environment with which honcho starts the processes of the Procfile."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from runtime.errors import StartupError

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # SIGHUP: the terminal was closed.
PROCFILE: Final = Path(__file__).with_name("Procfile")  # in a checkout a link to the one at its top


def honcho_command(
    procfile: Path = PROCFILE,
    concurrency: str = "",
    processes: Sequence[str] = (),
    *,
    colour: bool = True,
    module: str = "honcho",
) -> list[str]:
    """The command of honcho, to run with the environment that it hands on.

    `concurrency` says how many processes each line has, such as `vad=2`; `processes` are the lines to
    start, all where it is empty. honcho itself reads no `.env`, which it would put before the environment.
    `module` is what runs: honcho, or `runtime.supervisor`, which takes the same arguments.
    """
    command = [sys.executable, "-m", module, "start", "--procfile", str(procfile), "--env", os.devnull]
    command += [] if colour else ["--no-colour"]
    command += ["--concurrency", concurrency] if concurrency else []
    return [*command, *processes]


def with_interpreter(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment in which `python` of the Procfile is the interpreter that runs this."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    return {**environment, "PATH": path, "PYTHONUNBUFFERED": "1"}


def with_env_file(environment: Mapping[str, str], path: Path) -> dict[str, str]:
    """An environment, and behind it the lines of a file `.env` for what it does not name.

    Raises:
        StartupError: the file is there and can't be read.
    """
    from honcho.environ import parse  # the form of the file is honcho's

    try:
        return {**parse(path.read_text()), **environment}
    except FileNotFoundError:
        return dict(environment)
    except (OSError, ValueError) as error:
        raise StartupError(f"can't read {path.absolute()}: {error}") from None

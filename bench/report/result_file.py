"""Writes what was measured, and what one must know to repeat it, to a JSON file, and reads such files."""

import errno
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import orjson
import psutil

from dalston_realtime.client.errors import OutputError, UsageError
from runtime.local_server import ROOT

FORMAT: Final = 1  # Version of the file's form; files of another version are refused.
PACKAGES: Final = (
    "dalston-realtime", "ctranslate2", "faster-whisper", "moonshine-cpp", "moonshine-voice", "nemo_toolkit",
    "numpy", "onnxruntime", "pyzmq", "redis", "silero-vad", "torch", "uvloop", "websockets",
)  # fmt: skip
"""Packages whose versions change the figures."""
SECRET: Final = ("internal_secret", "redis_url")  # A Redis URL may have a password in it.
LOAD: Final = ("model", "seconds", "audio", "flush_after", "min_silence_ms", "seed")
"""Settings that describe the load; where they differ, two results are hard to compare."""
MACHINE: Final = ("cpu", "cores", "memory_gb")
"""Conditions that describe the machine, likewise."""
LEVEL_COMMANDS: Final = ("bench", "capacity")  # Their results are the figures of numbers of sessions.


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A result: the command, its settings, the conditions, the results, and the command's answer."""

    command: str
    settings: Mapping[str, Any]
    results: Sequence[Any]
    conditions: Mapping[str, Any]
    answer: Any = None

    def save(self, path: Path) -> None:
        """Write the file completely or not at all.

        Raises:
            OutputError: the file can't be written.
        """
        content = {"format": FORMAT, "command": self.command, "conditions": self.conditions}
        content |= {"settings": without_secrets(self.settings), "answer": self.answer}
        content["results"] = self.results
        partial = _partial_path(path)
        try:
            partial.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise _unwritable(path, error) from None


def without_secrets(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, and the settings within them, without secrets: people pass result files on."""
    shared = {name: "(not recorded)" if name in SECRET else value for name, value in settings.items()}
    return {
        name: without_secrets(value) if isinstance(value, Mapping) else value
        for name, value in shared.items()
    }


def check_writable(path: Path) -> None:
    """Check that a file can be written there, before minutes are spent on measuring.

    Raises:
        OutputError: it can't be written.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        _partial_path(path).touch()
    except OSError as error:
        raise _unwritable(path, error) from None
    _partial_path(path).unlink()


def _is_result(content: Mapping[str, Any]) -> bool:
    kinds = {"command": str, "conditions": dict, "settings": dict, "results": list}
    complete = all(isinstance(content.get(name), kind) for name, kind in kinds.items())
    return complete and content.get("format") == FORMAT


def _partial_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: can't be written ({error.strerror})")


def read_result(path: Path) -> dict[str, Any]:
    """Read a result file.

    Raises:
        UsageError: it is not there, or is no result file.
    """
    try:
        content = orjson.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except orjson.JSONDecodeError:
        raise UsageError(f"{path}: not a result of the benchmark") from None
    if not isinstance(content, dict) or not _is_result(content):
        raise UsageError(f"{path}: not a result of the benchmark, or of another version of it")
    return content


def read_levels(path: Path) -> dict[str, Any]:
    """Read a result file whose results are the figures of numbers of sessions.

    Raises:
        UsageError: it is not there, is no result file, or is that of a command that measures something else.
    """
    content = read_result(path)
    if content["command"] not in LEVEL_COMMANDS:
        raise UsageError(
            f"{path}: a result of `bench {content['command']}`, which is not to be compared with this"
        )
    return content


def differences(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[str]:
    """The differences of load and machine that make two results hard to compare."""
    pairs = [("settings", name) for name in LOAD] + [("conditions", name) for name in MACHINE]
    found = [(name, old[part].get(name), new[part].get(name)) for part, name in pairs]
    return [f"{name.replace('_', ' ')} was {a}, is {b}" for name, a, b in found if a != b]


def conditions() -> dict[str, Any]:
    """The conditions of a measurement: the machine, the versions and the revision of the code."""
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": revision(),
        "machine": platform.machine(),
        "system": platform.platform(),
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "python": sys.version.split()[0],
        "versions": {name: found for name in PACKAGES if (found := _version(name)) is not None},
    }


def revision(root: Path = ROOT) -> str | None:
    """The git revision of the code, with `+` where files were changed; None outside a repository."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"],  # noqa: S607 - from PATH
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def cpu_model(info: Path = Path("/proc/cpuinfo")) -> str:
    """The name of the CPU."""
    try:
        lines = info.read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None

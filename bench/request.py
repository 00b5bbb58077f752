"""Holds what the user asked the benchmark for, checked: the server, the load and the output."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.load.load_plan import LoadPlan
from bench.load.player import PlaybackTarget
from bench.recordings.embedded import embedded_recordings
from bench.recordings.own import own_recordings
from bench.servers.settings import check_setting
from dalston_realtime.client.errors import UsageError
from dalston_realtime.protocol.parameters import MinSilence
from runtime.settings import PREFIX

MAX_SESSIONS: Final = 1_000  # Sessions at once; one client process has no time for more.
_SETTING: Final = re.compile(r"([A-Za-z_]+)=(.*)")


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """What to measure, and how.

    Without a `url` the benchmark starts a server of its own with `server_settings`; without `audio` it plays
    the embedded recordings; without `min_silence_ms` sessions have the server's default.

    Raises:
        UsageError: the parts do not go together.
    """

    url: str | None = None
    pid: int | None = None
    server_settings: Mapping[str, str] = field(default_factory=dict)
    model: str = "fast"
    seconds: float = 60.0
    audio: Path | None = None
    flush_after: float | None = None
    seed: int = 1
    out: Path = Path("bench.json")
    min_silence_ms: MinSilence | None = None

    def __post_init__(self) -> None:
        if self.url is not None and self.server_settings:
            raise UsageError(
                "--set is for a server of the benchmark's own; the one at --url has its settings"
            )
        if self.url is None and self.pid is not None:
            raise UsageError("--server-pid is for a server that runs already, at --url")

    def target(self, url: str = "") -> PlaybackTarget:
        """The server at `url`, with the options of each session."""
        return PlaybackTarget(url, self.model, self.flush_after, self.min_silence_ms)

    def load_plan(self) -> LoadPlan:
        """What each session plays.

        Raises:
            DalstonError: there are no recordings.
        """
        recordings = embedded_recordings() if self.audio is None else own_recordings(self.audio)
        return LoadPlan(recordings, self.seconds, self.seed)

    def to_settings(self) -> dict[str, Any]:
        """The part of the result file that says how to measure the same again."""
        return {
            "url": self.url,
            "model": self.model,
            "seconds": self.seconds,
            "audio": None if self.audio is None else str(self.audio),
            "flush_after": self.flush_after,
            "min_silence_ms": self.min_silence_ms,
            "seed": self.seed,
            "chosen": dict(self.server_settings),
        }


def parse_session_counts(text: str) -> list[int]:
    """Parse numbers of sessions, such as `1,2,4,8`.

    Raises:
        UsageError: the text has another form.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 1 <= int(part) <= MAX_SESSIONS for part in parts):
        raise UsageError(
            f"--sessions {text!r} is not a list of numbers from 1 to {MAX_SESSIONS}, as in 1,2,4,8"
        )
    return [int(part) for part in parts]


def parse_server_settings(texts: Sequence[str] | None) -> dict[str, str]:
    """Parse settings of a server, such as `asr_threads=1` or `DALSTON_ASR_THREADS=1`; None: no settings.

    Raises:
        UsageError: a text has another form, or there is no such setting.
    """
    settings = {}
    for text in texts or ():
        match = _SETTING.fullmatch(text)
        if match is None:
            raise UsageError(f"--set {text!r} is not NAME=VALUE, as in asr_threads=1")
        name = match[1].upper().removeprefix(PREFIX).lower()
        check_setting(name)
        settings[name] = match[2]
    return settings

"""What the person who measures asked for, checked: server, load and output."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.load.playback import Target
from bench.load.recordings import embedded, own
from bench.measure.level import LoadPlan
from bench.servers import settings as known
from dalston_realtime.client.errors import UsageError
from dalston_realtime.protocol.parameters import MinSilence
from runtime.settings import PREFIX

MAX_SESSIONS: Final = 1_000
_SETTING: Final = re.compile(r"([A-Za-z_]+)=(.*)")


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """`url` None: a server of its own, with the settings `chosen`. `audio` None: the embedded recordings.

    Raises:
        UsageError: the parts do not go together.
    """

    url: str | None = None
    pid: int | None = None
    chosen: Mapping[str, str] = field(default_factory=dict)
    model: str = "fast"
    seconds: float = 60.0
    audio: Path | None = None
    flush_after: float | None = None
    seed: int = 1
    out: Path = Path("bench.json")
    min_silence_ms: MinSilence | None = None  # None: the server's default

    def __post_init__(self) -> None:
        if self.url is not None and self.chosen:
            raise UsageError(
                "--set is for a server of the benchmark's own; the one at --url has its settings"
            )
        if self.url is None and self.pid is not None:
            raise UsageError("--server-pid is for a server that runs already, at --url")

    def target(self, url: str = "") -> Target:
        """How to play."""
        return Target(url, self.model, self.flush_after, self.min_silence_ms)

    def load(self) -> LoadPlan:
        """What to play.

        Raises:
            DalstonError: there are no recordings.
        """
        recordings = embedded() if self.audio is None else own(self.audio)
        return LoadPlan(recordings, self.seconds, self.seed)

    def settings(self) -> dict[str, Any]:
        """What it takes to ask the same again."""
        return {
            "url": self.url,
            "model": self.model,
            "seconds": self.seconds,
            "audio": None if self.audio is None else str(self.audio),
            "flush_after": self.flush_after,
            "min_silence_ms": self.min_silence_ms,
            "seed": self.seed,
            "chosen": dict(self.chosen),
        }


def counts(text: str) -> list[int]:
    """Numbers of sessions, such as `1,2,4,8`.

    Raises:
        UsageError: it has another form.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 1 <= int(part) <= MAX_SESSIONS for part in parts):
        raise UsageError(
            f"--sessions {text!r} is not a list of numbers from 1 to {MAX_SESSIONS}, as in 1,2,4,8"
        )
    return [int(part) for part in parts]


def chosen(texts: Sequence[str]) -> dict[str, str]:
    """Settings of a server, such as `asr_threads=1` or `DALSTON_ASR_THREADS=1`.

    Raises:
        UsageError: one has another form, or there is no such setting.
    """
    found = {}
    for text in texts:
        match = _SETTING.fullmatch(text)
        if match is None:
            raise UsageError(f"--set {text!r} is not NAME=VALUE, as in asr_threads=1")
        name = match[1].upper().removeprefix(PREFIX).lower()
        known.check(name)
        found[name] = match[2]
    return found

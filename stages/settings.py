"""Holds the settings that all processes of a worker read."""

import socket
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from runtime.settings import DAY_S, Settings
from stages.topology import FanOut, validate_fanout


def _parse_fanout(value: Any) -> Any:
    return validate_fanout(value) if isinstance(value, str) else value


class WorkerSettings(Settings):
    """What every process of a worker reads."""

    fanout: Annotated[FanOut, NoDecode, BeforeValidator(_parse_fanout)] = Field(
        "", validate_default=True, description="processes of each stage, such as vad=2,asr=2; others have one"
    )
    sessions_per_gpu: int = Field(
        4, ge=1, le=1024, description="slots that a worker has for each of its ASR processes"
    )
    degraded_sessions_per_gpu: int = Field(
        6,
        ge=1,
        le=1024,
        description="the same with those of the overflow strategy `degrade`; never fewer than the slots",
    )
    drain_timeout: float = Field(
        0.5, ge=0, le=DAY_S, description="seconds that the sessions of a worker have to end after the signal"
    )

    @property
    def most_sessions_per_gpu(self) -> int:
        """Sessions that an ASR process may have."""
        return max(self.sessions_per_gpu, self.degraded_sessions_per_gpu)


def default_worker_id(port: int) -> str:
    """A name for this worker that is stable over restarts: host and port."""
    return f"{socket.gethostname()}-{port}"

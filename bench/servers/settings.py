"""The name of a setting in; whether a server reads it out, with what it may have been meant to be."""

from difflib import get_close_matches
from typing import Final

from broker.settings import EmbeddedRedisSettings, WatchSettings
from dalston_realtime.client.errors import UsageError
from gateway.settings import GatewaySettings
from runtime.settings import Settings
from stages.asr.settings import AsrSettings
from stages.receiver.settings import ReceiverSettings
from stages.vad.settings import VadSettings

KINDS: Final[tuple[type[Settings], ...]] = (
    GatewaySettings, ReceiverSettings, VadSettings, AsrSettings, WatchSettings, EmbeddedRedisSettings,
)  # fmt: skip
"""What the processes of a server read, together."""
NAMES: Final = sorted({name for kind in KINDS for name in kind.model_fields})
GIVEN: Final = ("gateway_port", "receiver_port", "run_dir", "data_dir")


def check(name: str) -> None:
    """See that a server of the benchmark's own can be set so.

    Raises:
        UsageError: it reads no such setting, or gets another value of it.
    """
    if name in GIVEN:
        raise UsageError(f"--set {name}: a server of the benchmark's own takes a free port and a new folder")
    if name not in NAMES:
        close = get_close_matches(name, NAMES, 1)
        meant = f"; did you mean {close[0]}?" if close else ""
        raise UsageError(f"--set {name}: there is no such setting{meant}")

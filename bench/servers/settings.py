"""Checks whether a server reads a setting of a given name."""

from difflib import get_close_matches
from typing import Final

from broker.settings import EmbeddedRedisSettings, WatchSettings
from dalston_realtime.client.errors import UsageError
from enhancement.settings import EnhancerSettings
from gateway.settings import GatewaySettings
from runtime.settings import Settings
from stages.asr.settings import AsrSettings
from stages.receiver.settings import ReceiverSettings
from stages.vad.settings import VadSettings

KINDS: Final[tuple[type[Settings], ...]] = (
    GatewaySettings, ReceiverSettings, VadSettings, AsrSettings, WatchSettings, EmbeddedRedisSettings,
    EnhancerSettings,
)  # fmt: skip
"""The classes of settings that the processes of a server read."""
NAMES: Final = sorted({name for kind in KINDS for name in kind.model_fields})
SET_BY_BENCH: Final = ("gateway_port", "receiver_port", "run_dir", "data_dir")


def check_setting(name: str) -> None:
    """Check that the user may set this for a server of the benchmark's own.

    Raises:
        UsageError: a server reads no such setting, or the benchmark sets it itself.
    """
    if name in SET_BY_BENCH:
        raise UsageError(f"--set {name}: a server of the benchmark's own takes a free port and a new folder")
    if name not in NAMES:
        close = get_close_matches(name, NAMES, 1)
        meant = f"; did you mean {close[0]}?" if close else ""
        raise UsageError(f"--set {name}: there is no such setting{meant}")

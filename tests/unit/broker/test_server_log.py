"""Checks which lines of the embedded Redis server are shown: those that are not in every log of it."""

from broker.store.server_log import unusual

USUAL = [
    "12:C 28 Nov 2026 09:15:38.228 # oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo",
    "12:C 28 Nov 2026 09:15:38.234 # Redis version=6.2.14, bits=64, modified=0, pid=12, just started",
    "12:M 28 Nov 2026 09:15:38.235 # WARNING Memory overcommit must be enabled! Without it, a background ...",
    "12:M 28 Nov 2026 09:15:42.989 # Redis is now ready to exit, bye bye...",
]
TELLING = [
    "12:M 28 Nov 2026 09:15:38.235 # Server initialized",
    "12:signal-handler (1795857342) Received SIGTERM scheduling shutdown...",
    "12:M 28 Nov 2026 09:15:38.300 # Bad file format reading the append only file: make a backup",
    "12:M 28 Nov 2026 09:15:38.300 # Error writing to the AOF file: No space left on device",
]


def test_what_is_the_same_every_time_is_left_out() -> None:
    assert list(unusual(USUAL + TELLING)) == TELLING

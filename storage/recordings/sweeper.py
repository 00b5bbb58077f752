"""Finds the recordings of gateways that are gone, which nobody has joined."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from storage.recordings.layout import ENDED, last_gateway, parts_folder
from storage.recordings.library import Recordings
from storage.recordings.presence import Presence, RecordingTimes

LOOK_AGAIN_S: Final = 600.0  # Seconds until a session is looked at again whose parts stay where they are.


@dataclass(frozen=True, slots=True)
class LeftRecordings:
    """Sessions whose gateway is gone.

    - silent: somebody may still go on with them, for all that the store says.
    - over: their gateway had ended them.
    - lost: their gateway is gone for so long that nobody can go on with them.
    """

    silent: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


class RecordingSweeper:
    """Looks at the parts of all gateways; `is_here` says that this one has a session, and `clock` counts
    seconds."""

    def __init__(
        self,
        recordings: Recordings,
        presence: Presence,
        times: RecordingTimes,
        is_here: Callable[[str], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recordings, self._presence, self._times = recordings, presence, times
        self._is_here, self._clock = is_here, clock
        self._gateways: dict[str, str] = {}  # Of each session the gateway that has or had it.
        self._settled: dict[str, float] = {}  # Sessions that were told, and until when they are not again.

    def look(self) -> LeftRecordings:
        """Look once.

        Raises:
            StorageUnavailable: the store does not answer.
        """
        waiting = list(self._recordings.unfinished())
        known, now = self._gateways, self._clock()
        self._gateways = {
            name: known[name] if name in known else last_gateway(self._parts(name)) for name in waiting
        }
        self._settled = {
            name: until for name, until in self._settled.items() if name in known and until > now
        }
        self._presence.observe(self._gateways.values())
        found: dict[str, list[str]] = {"silent": [], "over": [], "lost": []}
        for name in waiting:
            if name not in self._settled and not self._is_here(name) and (kind := self._judge(name)):
                found[kind].append(name)
        self._presence.forget_lost(self._times.lost, self._gateways.values())
        return LeftRecordings(**{kind: tuple(names) for kind, names in found.items()})

    def settle(self, session_id: str, seconds: float = LOOK_AGAIN_S) -> None:
        """Its recording is being joined: don't tell of it again for so long."""
        self._settled[session_id] = self._clock() + seconds

    def _judge(self, session_id: str) -> str | None:
        """What a session is, None where a gateway that lives has it."""
        silent = self._presence.silent_for(self._gateways[session_id])
        if silent < self._times.silent:
            return None
        parts = self._parts(session_id)
        if (gateway := last_gateway(parts)) != self._gateways[session_id]:
            self._gateways[session_id] = gateway  # It was taken over.
            return None
        if ENDED in parts:
            return "over"
        return "lost" if silent >= self._times.lost else "silent"

    def _parts(self, session_id: str) -> Mapping[str, int]:
        return self._recordings.store.sizes(parts_folder(session_id))

"""Sees to it that of all gateways one alone joins a recording."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from storage.recordings.errors import NoRecording, RecordingError, StorageUnavailable
from storage.recordings.layout import JOINING, parts_folder
from storage.recordings.presence import Presence
from storage.recordings.store import RecordingStore


class JoinedElsewhere(RecordingError):
    """Another gateway, which lives, joins the recording."""


class JoinClaims:
    """The claims of one gateway. Two gateways that take the claim of a dead one at the same moment may both
    have it: a join that is done twice is still right."""

    def __init__(self, store: RecordingStore, presence: Presence, silent: float) -> None:
        """A claim counts as long as its gateway is not `silent` seconds without a sign of life."""
        self._store, self._presence, self._silent = store, presence, silent

    @contextmanager
    def held(self, session_id: str) -> Iterator[None]:
        """Have the claim to a session's parts for the duration of a block.

        Raises:
            JoinedElsewhere: another gateway has it.
            NoRecording: there are no parts.
            StorageUnavailable: the store does not answer.
        """
        folder = parts_folder(session_id)
        self._acquire(f"{folder}/{JOINING}")
        try:
            yield
        finally:
            with suppress(StorageUnavailable):  # A claim of this gateway can be had again.
                self._store.delete_files(folder, [JOINING])

    def _acquire(self, path: str) -> None:
        own = self._presence.gateway.encode()
        if self._store.write_new(path, own):
            return
        try:
            owner = self._store.read(path)
        except NoRecording:
            owner = b""  # It was given up at this moment.
        if owner == own:
            return
        if owner and self._presence.silent_for(owner.decode(errors="replace")) >= self._silent:
            self._store.delete(path)
            if self._store.write_new(path, own):
                return
        raise JoinedElsewhere("another gateway joins it")

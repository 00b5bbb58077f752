"""Defines what can go wrong with recordings.

RecordingError
├── BadSessionId       the id can't name a folder
├── NoRecording        nothing is kept of the session
├── RecordingNotReady  the session runs, or its parts are not joined yet
└── StorageUnavailable the folder or the object store does not answer, or refuses
"""

from dalston_realtime.protocol.errors import DalstonError


class RecordingError(DalstonError):
    """Something is wrong with a recording."""


class BadSessionId(RecordingError):
    """The id can't name a folder."""


class NoRecording(RecordingError):
    """Nothing is kept of the session."""


class RecordingNotReady(RecordingError):
    """The session runs, or its parts are not joined yet."""


class StorageUnavailable(RecordingError):
    """The folder or the object store does not answer, or refuses."""

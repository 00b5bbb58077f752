"""Records the audio and events of sessions while they run, joins them at the end, and gives them out.

recorder and what it calls (session_writer, segment_file, event_log) write the parts; uploads bring them to an
object store; joining and what it calls make one file of them; library is what others use.
"""

from storage.recordings.errors import (
    BadSessionId,
    NoRecording,
    RecordingError,
    RecordingNotReady,
    StorageUnavailable,
)
from storage.recordings.library import Recordings

__all__ = [
    "BadSessionId",
    "NoRecording",
    "RecordingError",
    "RecordingNotReady",
    "Recordings",
    "StorageUnavailable",
]

"""Puts together what a gateway keeps beyond the life of a session: records, recordings, voices and keys."""

import asyncio
import time
from contextlib import suppress
from typing import Final

from msgspec import MsgspecError

from broker.checkpoint_record import HEADER
from broker.errors import RegistryUnavailable
from dalston_realtime.protocol.events import BadEvent
from gateway.api.file_jobs import FileJobs
from gateway.api.history import HistoryApi
from gateway.api.jobs import JobApi
from gateway.api.session_views import SessionViewApi
from gateway.api.speakers import SpeakerApi
from gateway.api.transcriptions import TranscriptionApi
from gateway.api.vendor_files import VendorFileApi
from gateway.sessions.checkpoint_store import MARGIN_S, CheckpointStore
from gateway.sessions.history_entry import finals_of
from gateway.sessions.history_upkeep import SWEEP_S, HistoryUpkeep
from gateway.sessions.recording_upkeep import RecordingUpkeep
from gateway.settings import GatewaySettings
from storage.api_keys.key_store import KeyStore
from storage.database import Database
from storage.history.reading.history_reader import HistoryReader
from storage.history.upkeep.editing import SessionEditor
from storage.history.upkeep.record_sweeper import RecordSweeper, SweepTimes
from storage.history.upkeep.retention import SessionRemover
from storage.history.upkeep.session_files import RecordedFiles
from storage.history.writing.session_history import SessionHistory
from storage.jobs.speakers import SpeakerStore
from storage.jobs.store import JobStore
from storage.recordings.joining import JoinedRecording
from storage.recordings.presence import RecordingTimes
from storage.recordings.service import RecordingService
from storage.tables import RECORDING

RECORDINGS_S: Final = 0.3  # Seconds for the last writes after the signal; what is not joined then is later.
HISTORY_S: Final = 0.4  # Seconds at the end for what the database has not got yet.


class KeptData:
    """The database and the recordings of a gateway; `history`, `recordings` and `keys` are for others."""

    def __init__(self, settings: GatewaySettings, checkpoints: CheckpointStore) -> None:
        """`checkpoints` has what Redis still knows of the sessions of a gateway that is gone."""
        self._settings, self._checkpoints = settings, checkpoints
        self._database = Database(settings.database)
        self.keys = KeyStore(self._database)
        self.history = SessionHistory(self._database, str(checkpoints.owner))
        lost = max(SweepTimes().lost, settings.resume_window + MARGIN_S, settings.gateway_timeout)
        times = RecordingTimes(settings.gateway_timeout, lost)
        self.recordings = RecordingService(
            settings.data_dir, settings.recordings_url, self._add_recording, times=times
        )
        self._files = RecordedFiles(self.recordings.recordings)
        self._remover = SessionRemover(self._database, self._files)
        sweeper = RecordSweeper(self._database, time.monotonic, SweepTimes(settings.gateway_timeout, lost))
        sweep_s = min(SWEEP_S, settings.gateway_timeout / 2)
        self._upkeep = HistoryUpkeep(sweeper, self._remover, settings.retention_days, self._rescue, sweep_s)
        self._recording_upkeep = RecordingUpkeep(self.recordings, self._may_go_on)

    def apis(self) -> list[object]:
        """The endpoints of what is kept."""
        store = self.recordings.recordings.store
        reader, editor = HistoryReader(self._database), SessionEditor(self._database)
        jobs = JobStore(self._database, store)
        max_bytes = self._settings.max_upload_mb << 20
        files = FileJobs(jobs, store, self._settings.transcription_timeout)
        return [
            SessionViewApi(reader, self._files, jobs),  # Its paths are below those of a session.
            HistoryApi(self.history, reader, editor, self._remover, self._files),
            JobApi(jobs, reader),
            TranscriptionApi(files, max_bytes),
            VendorFileApi(files, max_bytes),
            SpeakerApi(SpeakerStore(self._database)),
        ]

    async def run(self) -> None:
        """Look after what other gateways left, and remove what is too old, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._upkeep.run())
            group.create_task(self._recording_upkeep.run())

    def close(self) -> None:
        """Write what recordings and the history have not got yet; blocks meanwhile."""
        self.recordings.close(RECORDINGS_S)
        self.history.close(HISTORY_S)

    def _add_recording(self, session_id: str, joined: JoinedRecording) -> None:
        """Note in the record of a session that its recording is complete, and what it lacks."""
        about = {"seconds": joined.seconds, "missing": [list(each) for each in joined.missing]}
        self.history.add_artifact(session_id, RECORDING, about)

    async def _rescue(self, session_id: str) -> None:
        """Keep what Redis still has of a session whose gateway is silent."""
        with suppress(RegistryUnavailable, BadEvent, MsgspecError, UnicodeError):
            if found := await self._checkpoints.load(session_id):
                self.history.add_found(session_id, finals_of(found[0]))

    async def _may_go_on(self, session_id: str) -> bool:
        """Whether a gateway can still go on with a session; while Redis is away, it may be so."""
        try:
            found = await self._checkpoints.load(session_id)
        except RegistryUnavailable:
            return True
        return found is not None and HEADER in found[0]

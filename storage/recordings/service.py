"""Runs the recordings of one gateway: the thread that writes, the uploads, and the joins at the end."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from runtime.logs import get_logger
from storage.recordings.claims import JoinClaims
from storage.recordings.errors import RecordingError
from storage.recordings.finisher import RecordingFinisher
from storage.recordings.joining import JoinedRecording
from storage.recordings.layout import ENDED, PARTS, TRANSCRIPT, new_writer, parts_folder, session_folder
from storage.recordings.library import Recordings
from storage.recordings.presence import Presence, RecordingTimes
from storage.recordings.recorder import RecordingThread, SessionRecorder
from storage.recordings.session_writer import SEGMENT_S, UPLOADED_SEGMENT_S, RecordedSession
from storage.recordings.spool import adopt_spools, claim_spool, left_in
from storage.recordings.sweeper import RecordingSweeper
from storage.recordings.uploads import Uploader

log = get_logger(__name__)

SPOOL: Final = "spool"  # Folder below the data folder of what is not uploaded yet.
MAX_SPOOL_BYTES: Final = 1 << 30  # Bytes on this disk that wait for an upload: 9 hours of one session.


class RecordingService:
    """The recordings of one gateway; `on_joined` is called in a thread, for each that is joined here."""

    def __init__(
        self,
        data_dir: Path,
        url: str | None = None,
        on_joined: Callable[[str, JoinedRecording], None] = lambda *_: None,
        max_spool_bytes: int = MAX_SPOOL_BYTES,
        times: RecordingTimes | None = None,
    ) -> None:
        """Record into the data folder, or into what `url` names.

        Raises:
            StartupError: it can't be used.
        """
        self.recordings = Recordings(url or str(data_dir.absolute()))
        self.times = times or RecordingTimes()
        self._on_joined = on_joined
        self._live: dict[str, str] = {}  # Of each session that is recorded here the name of its writer.
        self._lost: dict[str, bool] = {}  # Sessions that nobody has ended, and whether nobody can any more.
        store = self.recordings.store
        self._presence = Presence(store)
        self._claims = JoinClaims(store, self._presence, self.times.silent)
        self._sweeper = RecordingSweeper(self.recordings, self._presence, self.times, self._is_here)
        self._spool = store.folder or claim_spool(data_dir.absolute() / SPOOL)
        self._uploader: Uploader | None = None
        self._in_spool: list[str] = []  # Sessions of which a process before this one left something there.
        if store.folder is None:
            self._in_spool = left_in(self._spool)
            self._uploader = Uploader(self._spool, store, max_spool_bytes, self.times.upload)
            self._uploader.add_segments(sorted(self._spool.glob(f"{PARTS}/*/*")))
        self._thread = RecordingThread(
            self._spool,
            self._uploader.add_segments if self._uploader else lambda _: None,
            self._on_closed,
            UPLOADED_SEGMENT_S if self._uploader else SEGMENT_S,
            lambda: self.is_full,
        )
        leave = self._presence.leave
        self._finisher = RecordingFinisher(self._finish, self._find_left, leave, self.times.retry)
        self._finisher.start()

    def new_writer(self, takeovers: int) -> str:
        """The name of this gateway's next writer, of a session that was taken over so many times."""
        return new_writer(takeovers, self._presence.gateway)

    def record(self, session: RecordedSession, on_loss: Callable[[str], None]) -> SessionRecorder:
        """Record a session from now on; `on_loss` is called, in any thread, with why something is lost."""
        self._live[session.id] = session.writer
        return self._thread.record(session, on_loss)

    def look(self) -> tuple[str, ...]:
        """Show that this gateway lives, and join what others left that are gone; to be called every
        `times.beat` seconds, in a thread.

        The sessions that are returned have lost their gateway. Who knows that nobody can go on with one of
        them calls `finish_lost`; after `times.lost` seconds it is joined all the same.
        """
        try:
            self._presence.beat()
            self._adopt_spools()
            left = self._sweeper.look()
        except RecordingError as error:
            log.debug("no look at the recordings: %s", error)
            self._presence.forget()
            return ()
        for session_id in (*left.over, *left.lost):
            log.info("joins the recording of a gateway that is gone", session=session_id)
            self._lost[session_id] = session_id in left.lost
            self._sweeper.settle(session_id)
            self._finisher.add(session_id)
        return left.silent

    def finish_lost(self, session_id: str) -> None:
        """Join what a gateway that is gone has left of a session; nobody goes on with it."""
        log.info("joins the recording of a gateway that is gone", session=session_id)
        self._lost[session_id] = False
        self._sweeper.settle(session_id, self.times.lost - self.times.silent)
        self._finisher.add(session_id)

    @property
    def is_full(self) -> bool:
        """Whether nothing more may be recorded until what waits is uploaded."""
        return self._uploader is not None and self._uploader.is_full

    def close(self, deadline: float) -> None:
        """Write all that waits; what is not joined or uploaded within `deadline` seconds is later, by whoever
        finds it."""
        until = time.monotonic() + deadline
        self._thread.close(deadline)
        if self._uploader:
            self._uploader.close(max(0.0, until - time.monotonic()))
        self._finisher.close(max(0.0, until - time.monotonic()))

    def _on_closed(self, session: RecordedSession, ended: bool) -> None:
        if self._live.get(session.id) == session.writer:  # Else it came back, and is recorded again.
            del self._live[session.id]
        if ended or self._uploader:
            self._finisher.add(session.id)

    def _is_here(self, session_id: str) -> bool:
        """Whether this gateway has a session, or something of it that it brings to the store or joins."""
        waits = self._uploader is not None and self._uploader.has_parts(session_id)
        return waits or session_id in self._live or session_id in self._finisher

    def _adopt_spools(self) -> None:
        """Upload what gateways of this machine that are gone have not."""
        if self._uploader is None:
            return
        try:
            found = adopt_spools(self._spool)
        except OSError as error:
            log.warning("what a gateway left on this disk can't be had: %s", error)
            return
        self._uploader.add_segments(found)
        for session_id in {part.parent.name for part in found}:
            self._finisher.add(session_id)

    def _find_left(self) -> Iterator[str]:
        """What was left by processes before this one: on this disk, and in the store."""
        yield from self._in_spool
        yield from self.recordings.ended()

    def _finish(self, session_id: str) -> None:
        """Bring what is here to the store, and join it if the session is over."""
        if session_id in self._live:
            return  # It comes again at its end.
        if self._uploader:
            self._uploader.upload_session(session_id)
        store = self.recordings.store
        is_over = session_id in self._lost or ENDED in store.sizes(parts_folder(session_id))
        if is_over or TRANSCRIPT in store.sizes(session_folder(session_id)):
            with self._claims.held(session_id):
                joined = self.recordings.finish(session_id, lost=self._lost.get(session_id, False))
            self._lost.pop(session_id, None)
            self._on_joined(session_id, joined)

"""Finishes recordings in a thread, one after the other, and tries again what can't be finished now."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from runtime.logs import get_logger
from storage.recordings.claims import JoinedElsewhere
from storage.recordings.errors import NoRecording, RecordingError, StorageUnavailable

log = get_logger(__name__)

NEVER: Final = float("inf")


class RecordingFinisher:
    """The thread; `finish` is called in it for each session, and again `retry_s` seconds after a failure."""

    def __init__(
        self,
        finish: Callable[[str], None],
        find_left: Callable[[], Iterable[str]],
        leave: Callable[[], None],
        retry_s: float,
    ) -> None:
        """`find_left` finds what is left of processes before this one, `leave` is called at the end; both in
        the thread, since they may take long."""
        self._finish, self._find_left, self._leave, self._retry_s = finish, find_left, leave, retry_s
        self._due: dict[str, float] = {}  # When each session is to be finished, by the monotonic clock.
        self._current = ""
        self._changed, self._stopping = threading.Condition(), False
        self._thread = threading.Thread(target=self._run, name="joins", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def add(self, session_id: str, delay: float = 0.0) -> None:
        """Finish a session, `delay` seconds from now."""
        with self._changed:
            self._due[session_id] = time.monotonic() + delay
            self._changed.notify()

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._due or session_id == self._current

    def close(self, deadline: float) -> None:
        """End after what is being finished now, at most in `deadline` seconds."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(deadline)

    def _run(self) -> None:
        self._try("", self._add_left)
        while (session_id := self._next()) is not None:
            self._try(session_id, lambda name=session_id: self._finish(name))  # type: ignore[misc]
            self._current = ""
        self._try("", self._leave)

    def _add_left(self) -> None:
        for session_id in self._find_left():
            self.add(session_id)

    def _next(self) -> str | None:
        """The next session, once it is due; None at the end."""
        with self._changed:
            while not self._stopping:
                session_id = min(self._due, key=self._due.__getitem__, default="")
                wait = self._due.get(session_id, NEVER) - time.monotonic()
                if wait <= 0:
                    del self._due[session_id]
                    self._current = session_id
                    return session_id
                self._changed.wait(None if wait == NEVER else wait)
            return None

    def _try(self, session_id: str, act: Callable[[], None]) -> None:
        try:
            act()
        except (StorageUnavailable, JoinedElsewhere) as error:
            log.info("a recording is joined later: %s", error, session=session_id)
            if session_id:
                self.add(session_id, self._retry_s)
        except NoRecording:
            log.info("a recording was joined by another gateway, or deleted", session=session_id)
        except RecordingError as error:
            log.error("a recording can't be joined: %s", error, session=session_id)
        except Exception:
            log.exception("a recording can't be joined by a fault of ours", session=session_id)

"""What is due is handed to the queue, and stays due where that is away."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from enhancement.dispatcher import Dispatcher, QueueUnavailable
from storage.database import Database
from storage.tables import LOCAL
from tests.support.job_rooms import JobRoom


class MemoryQueue:
    """A queue that takes `room` jobs, and then is away."""

    def __init__(self, room: int) -> None:
        self.jobs: list[str] = []
        self._room = room

    def send(self, job_id: str) -> None:
        """Put a job in."""
        if len(self.jobs) >= self._room:
            raise QueueUnavailable("away")
        self.jobs.append(job_id)

    def count(self) -> int:
        """The jobs in it."""
        return len(self.jobs)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[JobRoom]:
    database = Database(f"sqlite:///{tmp_path / 'history.db'}")
    database.migrate()
    yield JobRoom(database)
    database.close()


def test_a_job_is_sent_once(room: JobRoom) -> None:
    job_id = room.store.create(LOCAL, {})
    queue = MemoryQueue(9)
    dispatcher = Dispatcher(room.sending, queue)
    for _ in range(3):
        dispatcher.look()
    assert queue.jobs == [job_id]


def test_what_could_not_be_sent_is_sent_by_the_next_look(room: JobRoom) -> None:
    ids = [room.store.create(LOCAL, {}, job_id=f"job_{n:032x}") for n in range(3)]
    full = MemoryQueue(1)
    with pytest.raises(QueueUnavailable):
        Dispatcher(room.sending, full).look()
    free = MemoryQueue(9)
    Dispatcher(room.sending, free).look()
    assert sorted([*full.jobs, *free.jobs]) == ids

"""Webhooks reach a real receiver, and are tried again where it is away, slow, broken or elsewhere."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from enhancement.webhooks.delivery import GIVE_UP, WAITS, WebhookDelivery, WebhookPolicy
from enhancement.webhooks.signing import signature
from storage.database import Database
from storage.jobs.webhooks import WebhookStore
from tests.support.histories import NOON
from tests.support.http_server import QuietHandler, http_server

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PATIENCE_S = 0.5  # Seconds that the tests wait for a receiver that never answers.
BODY = '{"type":"job.done"}'


@dataclass
class HookServer:
    """A server that answers with `status`, and keeps what it got."""

    status: int = 200
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""


@contextmanager
def receiving(receiver: HookServer) -> Iterator[HookServer]:
    class HookHandler(QuietHandler):
        def do_POST(self) -> None:  # noqa: N802 - the library calls it so
            receiver.got.append((dict(self.headers), self.body()))
            self.send_response(receiver.status)
            self.send_header("Location", receiver.url)
            self.end_headers()

    with http_server(HookHandler) as port:
        receiver.url = f"http://127.0.0.1:{port}/hook"
        yield receiver


class Room:
    """The webhooks of one database, on a clock that the test moves."""

    def __init__(self, folder: Path) -> None:
        database = Database(f"sqlite:///{folder}/history.db")
        database.migrate()
        self.seconds = 0.0
        self.store = WebhookStore(database, self.now)
        self.delivery = WebhookDelivery(self.store, WebhookPolicy(SECRET, True, PATIENCE_S), self.now)

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    def add(self, url: str, event_id: str = "evt_1") -> None:
        self.store.add(event_id, url, "job.done", BODY)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_a_webhook_is_delivered_once_and_signed(room: Room) -> None:
    with receiving(HookServer()) as receiver:
        room.add(receiver.url)
        room.add(receiver.url)
        assert room.delivery.deliver_due() == 1
        assert room.delivery.deliver_due() == 0
    ((headers, body),) = receiver.got
    assert body.decode() == BODY
    assert headers["webhook-id"] == "evt_1"
    signed = signature("evt_1", int(headers["webhook-timestamp"]), body, SECRET)
    assert headers["webhook-signature"] == f"v1,{signed}"
    assert headers["Host"] == receiver.url.split("/")[2]


@pytest.mark.parametrize("status", [301, 307, 400, 404, 410, 500, 503])
def test_a_receiver_that_does_not_take_it_gets_it_again(room: Room, status: int) -> None:
    with receiving(HookServer(status)) as receiver:
        room.add(receiver.url)
        assert room.delivery.deliver_due() == 0
        assert room.delivery.deliver_due() == 0  # Not at once.
        room.seconds = WAITS[0]
        receiver.status = 204
        assert room.delivery.deliver_due() == 1
    assert len(receiver.got) == 2
    assert receiver.got[0][0]["webhook-id"] == receiver.got[1][0]["webhook-id"]


def test_a_receiver_that_fails_for_a_day_is_given_up(room: Room) -> None:
    with receiving(HookServer(500)) as receiver:
        room.add(receiver.url)
        while room.seconds < 2 * GIVE_UP.total_seconds():
            room.delivery.deliver_due()
            room.seconds += WAITS[-1]
    assert 20 < len(receiver.got) < 40


def test_a_slow_receiver_holds_up_no_other(room: Room) -> None:
    with receiving(HookServer()) as receiver, socket.create_server(("127.0.0.1", 0)) as silent:
        room.add(f"http://127.0.0.1:{silent.getsockname()[1]}/", "evt_silent")
        room.add(receiver.url, "evt_good")
        assert room.delivery.deliver_due() == 1
    assert len(receiver.got) == 1


def test_a_receiver_whose_answer_has_no_end_is_not_listened_to_for_ever(room: Room) -> None:
    with socket.create_server(("127.0.0.1", 0)) as dripping:
        over = threading.Event()

        def drip() -> None:
            connection, _ = dripping.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not over.wait(PATIENCE_S / 10):
                    try:
                        connection.sendall(b"X-More: 1\r\n")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        room.add(f"http://127.0.0.1:{dripping.getsockname()[1]}/")
        assert room.delivery.deliver_due() == 0
        over.set()
        thread.join()


def test_nobody_there_and_no_url(room: Room) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    room.add(f"http://127.0.0.1:{port}/", "evt_away")
    room.add("ftp://example.com/", "evt_bad")
    assert room.delivery.deliver_due() == 0
    room.seconds = WAITS[0]
    assert [each.event_id for each in room.store.due()] == ["evt_away"]

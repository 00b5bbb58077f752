"""A client that comes back: what its token says, and where its session is."""

import asyncio
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.checkpoint_record import HEADER
from broker.errors import RegistryUnavailable
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.events import ServerWarning
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.realtime.resumption import (
    AHEAD,
    ConnectionRefused,
    SessionFinder,
    check_position,
    parse_resume,
)
from gateway.sessions.session import Session
from gateway.sessions.state import SessionState
from tests.support.gateway_parts import FakeSlots, MemoryCheckpoints, checkpoint_store, session_manager
from tests.support.virtual_time import VirtualClock, run_virtually

ID = "f" * 32


def test_a_token_names_a_session_and_an_event() -> None:
    assert parse_resume(f"{ID}:17") == (ID, 17)


@given(st.text(max_size=50))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        parse_resume(text)
    assert refused.value.param == "resume"


def refusal(checkpoints: MemoryCheckpoints) -> tuple[int, str, str | None]:
    """Status, code and `Retry-After` for a client whose session is not here."""

    async def main(_clock: VirtualClock) -> tuple[int, str, str | None]:
        store = checkpoint_store(checkpoints)
        finder = SessionFinder(session_manager(FakeSlots(), store=store), store, 5.0)
        client: Any = None  # of which nothing is asked
        with pytest.raises(ConnectionRefused) as refused:
            await finder.locate(client, ID)
        reply = refused.value.reply
        return reply.status_code, orjson.loads(reply.body)["error"]["code"], reply.headers.get("Retry-After")

    return run_virtually(main)


def left(**changes: bytes) -> MemoryCheckpoints:
    """A session that a gateway has given up."""
    state = SessionState.new(ID, SessionConfig())
    state.snapshot()
    return MemoryCheckpoints({ID: {"owner": b""} | state.changes.fields | changes})


@pytest.mark.parametrize(
    ("checkpoints", "expected"),
    [
        (MemoryCheckpoints(), (404, "unknown_session", None)),
        (MemoryCheckpoints({ID: {"owner": b""}}), (404, "unknown_session", None)),
        (left(**{HEADER: b'{"version":2}'}), (503, "other_version", "5")),
        (left(**{HEADER: b'{"version":0}'}), (503, "other_version", "5")),
        (left(**{HEADER: b'{"version":1'}), (410, "session_unreadable", None)),
        (left(w3=b'{"type":"transcript.fin'), (410, "session_unreadable", None)),
        (left(f1=b"[]"), (410, "session_unreadable", None)),
    ],
)
def test_a_session_that_nobody_can_go_on_with_here_is_not_claimed(
    checkpoints: MemoryCheckpoints, expected: tuple[int, str, str | None]
) -> None:
    assert refusal(checkpoints) == expected
    assert all(fields["owner"] == b"" for fields in checkpoints.stored.values())


class AwayCheckpoints(MemoryCheckpoints):
    """A Redis that is away."""

    async def load(self, _session_id: str) -> dict[str, bytes]:
        """No answer."""
        raise RegistryUnavailable("away")


def test_without_redis_a_session_of_another_gateway_is_not_found() -> None:
    assert refusal(AwayCheckpoints()) == (503, "registry_unavailable", None)


def test_a_session_that_another_one_claims_first_moves() -> None:
    class Slower(MemoryCheckpoints):
        async def claim(self, *_names: str) -> bool:
            return False

    assert refusal(Slower(left().stored)) == (503, "restarting", None)


@pytest.mark.parametrize(
    ("last_seq", "outcome"), [(0, None), (2, None), (2 + AHEAD, None), (3 + AHEAD, InvalidParameter)]
)
def test_a_client_may_be_ahead_by_what_was_not_saved(last_seq: int, outcome: type[Exception] | None) -> None:
    async def main(_clock: VirtualClock) -> None:
        manager = session_manager(FakeSlots())
        session = manager.find(manager.begin(SessionConfig()).session_id)
        assert isinstance(session, Session)
        for code in ("a", "b"):
            session.state.events.send_now(ServerWarning(code=code, message=""), 0.0)
        if outcome is None:
            check_position(session, last_seq)
        else:
            with pytest.raises(outcome):
                check_position(session, last_seq)
        await asyncio.wait_for(session.ended(), 60)

    run_virtually(main)

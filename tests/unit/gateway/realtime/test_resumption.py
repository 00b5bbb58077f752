"""A client that comes back: what its token says, and where its session is."""

import asyncio
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.checkpoint_record import HEADER
from broker.errors import RegistryUnavailable
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.events import ServerWarning
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.auth.forwarded import forwarded_headers
from gateway.auth.principal import LOCAL_USER, Principal
from gateway.realtime.refusal import ConnectionRefused
from gateway.realtime.resumption import (
    AHEAD,
    ResumeRequest,
    SessionFinder,
    check_position,
    parse_resume,
)
from gateway.sessions.resume_token import new_resume_token, token_digest
from gateway.sessions.session import Session
from gateway.sessions.state import SessionState
from tests.support.auth_parts import connection
from tests.support.gateway_parts import FakeSlots, MemoryCheckpoints, checkpoint_store, session_manager
from tests.support.virtual_time import VirtualClock, run_virtually

SECRET = "the secret between gateways"
ID = "f" * 32
TOKEN = new_resume_token(ID)
OTHER = Principal("key_2", "other", frozenset({"transcribe"}))
ASKED = parse_resume(f"{TOKEN}:17", LOCAL_USER)


def test_a_token_names_a_session_and_an_event() -> None:
    assert ResumeRequest(ID, TOKEN, 17, LOCAL_USER.id) == ASKED


@given(st.one_of(st.text(max_size=50), st.integers(0, 99).map(lambda n: f"{ID}:{n}")))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        parse_resume(text, LOCAL_USER)
    assert refused.value.param == "resume"


def refusal(checkpoints: MemoryCheckpoints, asked: ResumeRequest = ASKED) -> tuple[int, str, str | None]:
    """Status, code and `Retry-After` for a client whose session is not here."""

    async def main(_clock: VirtualClock) -> tuple[int, str, str | None]:
        store = checkpoint_store(checkpoints)
        finder = SessionFinder(session_manager(FakeSlots(), store=store), store, SECRET, 5.0)
        with pytest.raises(ConnectionRefused) as refused:
            await finder.locate(asked)
        reply = refused.value.reply
        return reply.status_code, orjson.loads(reply.body)["error"]["code"], reply.headers.get("Retry-After")

    return run_virtually(main)


def left(**changes: bytes) -> MemoryCheckpoints:
    """A session that a gateway has given up."""
    state = SessionState.new(ID, SessionConfig(), token=token_digest(TOKEN))
    state.snapshot()
    return MemoryCheckpoints({ID: {"owner": b""} | state.changes.fields | changes})


@pytest.mark.parametrize(
    ("checkpoints", "expected"),
    [
        (MemoryCheckpoints(), (404, "unknown_session", None)),
        (MemoryCheckpoints({ID: {"owner": b""}}), (404, "unknown_session", None)),
        (left(**{HEADER: b'{"version":1}'}), (503, "other_version", "5")),
        (left(**{HEADER: b'{"version":0}'}), (503, "other_version", "5")),
        (left(**{HEADER: b'{"version":2'}), (410, "session_unreadable", None)),
        (left(w3=b'{"type":"transcript.fin'), (410, "session_unreadable", None)),
        (left(f1=b"[]"), (410, "session_unreadable", None)),
    ],
)
def test_a_session_that_nobody_can_go_on_with_here_is_not_claimed(
    checkpoints: MemoryCheckpoints, expected: tuple[int, str, str | None]
) -> None:
    assert refusal(checkpoints) == expected
    assert all(fields["owner"] == b"" for fields in checkpoints.stored.values())


@pytest.mark.parametrize(
    "asked",
    [
        parse_resume(f"{TOKEN}:17", OTHER),
        parse_resume(f"{new_resume_token(ID)}:17", LOCAL_USER),
        parse_resume(f"{ID}{'0' * 32}:17", LOCAL_USER),
    ],
)
def test_another_principal_and_another_token_find_no_session(asked: ResumeRequest) -> None:
    checkpoints = left()
    assert refusal(checkpoints, asked) == (404, "unknown_session", None)
    assert checkpoints.stored[ID]["owner"] == b""

    async def here(_clock: VirtualClock) -> None:
        store = checkpoint_store()
        manager = session_manager(FakeSlots(), store=store)
        session = manager.find(manager.begin(SessionConfig(), LOCAL_USER).session_id)
        assert session is not None
        finder = SessionFinder(manager, store, SECRET, 5.0)
        with pytest.raises(ConnectionRefused):
            await finder.locate(replace(asked, session_id=session.id))
        await asyncio.wait_for(session.ended(), 60)

    run_virtually(here)


def test_only_who_knows_the_secret_speaks_for_others() -> None:
    finder = SessionFinder(session_manager(FakeSlots()), checkpoint_store(), SECRET, 5.0)
    headers = forwarded_headers("key_1", SECRET)
    found = finder.forwarded(connection(*headers.items()))
    assert found is not None
    assert found == Principal("key_1", "", frozenset({"transcribe"}))
    assert finder.forwarded(connection(*(headers | {"Authorization": "Bearer x"}).items())) is None
    assert finder.forwarded(connection(("Authorization", f"Bearer {SECRET}"))) is None


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
        session = manager.find(manager.begin(SessionConfig(), LOCAL_USER).session_id)
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

"""What a worker is asked for, and that it outlives the gateway that asked."""

from urllib.parse import parse_qsl

import pytest
from gateway.workers.request import worker_query

from broker.records import Allocation
from dalston_realtime.protocol.parameters import MinSilence, SessionConfig, parse_query
from gateway.realtime.admission import SessionRequest
from gateway.sessions.state import SessionState

PLACE = Allocation("w1", "ws://x", "tiny")


@pytest.mark.parametrize(
    ("query", "silence", "asked"),
    [
        ("model=fast", 300, None),
        ("model=fast", "auto", "auto"),
        ("min_silence_ms=auto", "auto", "auto"),
        ("min_silence_ms=auto", 300, "300"),
        ("min_silence_ms=700", "auto", "auto"),
    ],
)
def test_the_next_worker_hears_of_what_the_client_has_changed(
    query: str, silence: MinSilence, asked: str | None
) -> None:
    sent = dict(parse_qsl(worker_query(query, SessionConfig(min_silence_ms=silence), PLACE)))
    assert sent.get("min_silence_ms") == asked
    assert parse_query(sent).min_silence_ms == silence


@pytest.mark.parametrize("silence", [700, "auto"])
def test_a_session_that_another_gateway_takes_over_asks_for_the_same(silence: MinSilence) -> None:
    config = SessionConfig(min_silence_ms=silence)
    state = SessionState.new("s", SessionRequest(config, "x=1"))
    state.prepare()
    again = SessionState.restored("s", {**state.ledger.fields, "owner": b"x"}, now=0.0)
    assert again.wish == state.wish
    assert again.log.config == config

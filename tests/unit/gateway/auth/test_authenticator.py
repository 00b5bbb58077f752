"""Who is let in: with a key, without one, and while the database is away."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.auth.authenticator import Authenticator
from gateway.auth.errors import AuthUnavailable, Forbidden, RequestRefused, Unauthorized
from gateway.auth.key_directory import HOLD_S, LOOK_AGAIN_S
from gateway.auth.principal import LOCAL_USER, Principal
from gateway.auth.request_facts import RequestFacts
from storage.api_keys.api_key import PREFIX, KeyLimits
from tests.support.auth_parts import LOOPBACK, KeyTime, MemoryKeys, authenticator


def ask(asked: Authenticator, credential: str | None = None, facts: RequestFacts = LOOPBACK) -> Principal:
    """Who makes a request."""
    return asyncio.run(asked.authenticate(credential, facts))


def status(asked: Authenticator, credential: str | None = None, facts: RequestFacts = LOOPBACK) -> int:
    """The status with which a request is refused."""
    with pytest.raises(RequestRefused) as refused:
        ask(asked, credential, facts)
    return refused.value.reply.status_code


def test_a_key_says_who_asks_and_what_they_may_do() -> None:
    keys = MemoryKeys()
    key, secret = keys.create("phone", ["transcribe"], KeyLimits(sessions=2))
    principal = ask(authenticator(keys), secret)
    assert principal == Principal(key.id, "phone", frozenset({"transcribe"}), KeyLimits(sessions=2))
    principal.require("transcribe")
    with pytest.raises(Forbidden):
        principal.require("history")


def test_wrong_keys_are_refused_from_anywhere() -> None:
    keys = MemoryKeys()
    _, secret = keys.create()
    asked = authenticator(keys)
    for wrong in (
        PREFIX,
        secret[:-1],
        secret + "x",
        secret.upper(),
        "Bearer",
        "ek_unknown",
        "dk_\udcff",
        "é",
    ):
        assert status(asked, wrong.encode(errors="replace").decode()) == 401
    assert status(asked) == 401


def test_a_key_that_was_made_just_now_is_found() -> None:
    keys, time = MemoryKeys(), KeyTime()
    asked = authenticator(keys, time=time)
    ask(asked)
    time.seconds += LOOK_AGAIN_S
    key, secret = keys.create()
    assert ask(asked, secret).id == key.id


def test_guesses_do_not_ask_the_database_each_time() -> None:
    keys = MemoryKeys()
    asked = authenticator(keys)
    for number in range(50):
        assert status(asked, f"dk_{number}") == 401
    assert keys.looks == 1


def test_a_revoked_and_an_expired_key_hold_no_more() -> None:
    keys, time = MemoryKeys(), KeyTime()
    revoked, expiring = keys.create(), keys.create(expires_at=time.now() + timedelta(seconds=10))
    asked = authenticator(keys, time=time)
    first, second = ask(asked, revoked[1]), ask(asked, expiring[1])
    assert asked.holds(first.id)
    assert asked.holds(second.id)
    keys.revoke(revoked[0].id)
    asyncio.run(asked.keys.look())
    time.seconds += 10
    assert (status(asked, revoked[1]), status(asked, expiring[1])) == (401, 401)
    assert not asked.holds(first.id)
    assert not asked.holds(second.id)
    assert asked.holds(LOCAL_USER.id)


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000"])
@pytest.mark.parametrize("origin", [None, "http://localhost:8080", "http://127.0.0.1:8000"])
def test_without_keys_the_user_of_this_machine_needs_none(host: str, origin: str | None) -> None:
    facts = replace(LOOPBACK, host=host, origin=origin)
    assert ask(authenticator(), None, facts) == LOCAL_USER
    assert ask(authenticator(), "what an SDK sends", facts) == LOCAL_USER


@pytest.mark.parametrize(
    "change",
    [
        {"host": "evil.test"},  # Whose name points to 127.0.0.1.
        {"host": None},
        {"origin": "http://evil.test"},
        {"origin": "null"},
        {"is_forwarded": True},
        {"is_embedded": True},
    ],
)
def test_without_keys_other_sites_and_proxies_are_refused(change: dict[str, str]) -> None:
    assert status(authenticator(), None, replace(LOOPBACK, **change)) == 403  # type: ignore[arg-type]


def test_a_server_that_others_reach_needs_a_key_from_everybody() -> None:
    assert status(authenticator(open_to_local=False)) == 401


def test_the_last_key_that_is_revoked_opens_nothing() -> None:
    keys = MemoryKeys()
    keys.revoke(keys.create()[0].id)
    assert status(authenticator(keys)) == 401


def test_off_lets_everybody_in() -> None:
    far = RequestFacts(host="example.org", origin="http://evil.test", is_forwarded=True)
    assert ask(authenticator(open_to_local=False, is_off=True), None, far) == LOCAL_USER


def test_nobody_is_let_in_before_the_database_was_read() -> None:
    keys = MemoryKeys()
    _, secret = keys.create()
    keys.trouble = "it is away"
    asked = authenticator(keys)
    assert (status(asked), status(asked, secret)) == (503, 503)


def test_guesses_do_not_ask_a_database_each_time_that_is_away() -> None:
    keys = MemoryKeys()
    keys.trouble = "it is away"
    asked = authenticator(keys)
    assert [status(asked, f"dk_{number}") for number in range(20)] == [503] * 20
    assert [status(asked) for _ in range(20)] == [503] * 20
    assert keys.tries == 1


def test_known_keys_hold_for_a_while_without_the_database() -> None:
    keys, time = MemoryKeys(), KeyTime()
    _, secret = keys.create()
    asked = authenticator(keys, time=time)
    principal = ask(asked, secret)
    keys.trouble = "it is away"
    time.seconds += HOLD_S
    assert ask(asked, secret) == principal
    assert status(asked, "dk_wrong") == 401
    time.seconds += 1
    with pytest.raises(AuthUnavailable, match="it is away"):
        ask(asked, secret)
    assert asked.holds(principal.id)  # What runs goes on.


class OneToken:
    """Verifies one token."""

    def recognizes(self, credential: str) -> bool:
        """By its first letters."""
        return credential.startswith("ek_")

    async def verify(self, credential: str, facts: RequestFacts) -> Principal:
        """The local user's."""
        if credential != "ek_good":
            raise Unauthorized("no")
        return LOCAL_USER


def test_tokens_hold_on_an_open_server_and_from_any_origin() -> None:
    asked = authenticator(tokens=OneToken())
    facts = replace(LOOPBACK, origin="https://app.test", host="server.test")
    assert ask(asked, "ek_good", facts) == LOCAL_USER
    assert status(asked, "ek_bad") == 401

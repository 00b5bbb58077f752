"""Which short-lived tokens hold: for whom, how long, how often, and for pages of which origin."""

import asyncio
import json
from dataclasses import replace
from typing import cast

import httpx
import pytest
from starlette.applications import Starlette

from broker.errors import RegistryUnavailable
from broker.token_uses import TokenUses
from gateway.api.operation import routes_of
from gateway.api.tokens import TokenApi
from gateway.api.vendor_tokens import MAX_SESSION_CHARS, VendorTokenApi
from gateway.auth.authenticator import Authenticator
from gateway.auth.errors import Forbidden, RequestRefused
from gateway.auth.principal import LOCAL_USER, Principal, principal_of
from gateway.auth.request_facts import RequestFacts
from gateway.auth.request_guard import RequestGuard
from gateway.auth.tokens import SKEW_S, TokenMint
from gateway.realtime.dialects.openai_session import describe_session
from tests.support.auth_parts import LOOPBACK, MemoryKeys, key_directory


class CountedUses:
    """Counts uses without Redis; `is_away` has it away."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.is_away = False

    async def count(self, token_id: str, most: int, ttl_s: float) -> bool:
        """Count one use."""
        if self.is_away:
            raise RegistryUnavailable("away")
        self.counts[token_id] = self.counts.get(token_id, 0) + 1
        return self.counts[token_id] <= most


class TokenTrial:
    """A mint with one key, on a clock that the test moves."""

    def __init__(self, secret: str = "secret") -> None:
        self.keys, self.uses, self.seconds = MemoryKeys(), CountedUses(), 1e9
        self.key, self.secret = self.keys.create("web")
        self.directory = key_directory(self.keys)
        asyncio.run(self.directory.look())
        self.mint = TokenMint(secret, self.directory, cast(TokenUses, self.uses), lambda: self.seconds)

    def make(self, seconds: int = 10, uses: int = 1, origin: str | None = None) -> str:
        """A token of the key."""
        return self.mint.mint(principal_of(self.key), seconds, uses, origin=origin)[0]

    def ask(self, token: str, facts: RequestFacts = LOOPBACK) -> Principal:
        """Who has the token."""
        return asyncio.run(self.mint.verify(token, facts))

    def status(self, token: str, facts: RequestFacts = LOOPBACK) -> int:
        """The status with which it is refused."""
        with pytest.raises(RequestRefused) as refused:
            self.ask(token, facts)
        return refused.value.status


def test_a_token_is_its_key_with_one_scope_and_holds_as_often_as_it_says() -> None:
    trial = TokenTrial()
    token = trial.make(uses=2)
    assert trial.mint.recognizes(token)
    found = trial.ask(token)
    assert found == Principal(trial.key.id, "web", frozenset({"transcribe"}), is_token=True)
    assert trial.ask(token) == found
    assert trial.status(token) == 401


def test_a_token_expires_after_its_life_and_the_skew_of_clocks() -> None:
    trial = TokenTrial()
    token = trial.make(seconds=10, uses=9)
    trial.seconds += 10 + SKEW_S - 1
    trial.ask(token)
    trial.seconds += 1
    assert trial.status(token) == 401


def test_a_token_is_for_pages_of_its_origin() -> None:
    trial = TokenTrial()
    token = trial.make(origin="https://a.example")
    assert trial.status(token) == 403
    assert trial.status(token, replace(LOOPBACK, origin="https://b.example")) == 403
    trial.ask(token, replace(LOOPBACK, origin="https://a.example"))


def test_forged_tokens_are_refused() -> None:
    trial = TokenTrial()
    token, other = trial.make(), TokenTrial("another").make()
    body, _, signature = token.partition(".")
    for wrong in (other, body, body + ".", body + "x." + signature, "ek_", "ek_.", "ek_é.é", token + "A"):
        assert trial.status(wrong) == 401
    trial.ask(token)


def test_a_token_dies_with_its_key() -> None:
    trial = TokenTrial()
    token = trial.make()
    trial.keys.revoke(trial.key.id)
    asyncio.run(trial.directory.look())
    assert trial.status(token) == 401


def test_without_redis_no_token_is_taken() -> None:
    trial = TokenTrial()
    trial.uses.is_away = True
    assert trial.status(trial.make()) == 503


def test_only_a_key_makes_tokens() -> None:
    trial = TokenTrial()
    for principal in (trial.ask(trial.make()), LOCAL_USER):
        with pytest.raises(Forbidden):
            trial.mint.mint(principal, 10)


def post(
    trial: TokenTrial, api: object, path: str, headers: dict[str, str], body: dict[str, object] | None = None
) -> httpx.Response:
    """One call of an endpoint that makes tokens."""
    asked = Authenticator(trial.directory, open_to_local=False, tokens=trial.mint)
    app = Starlette(routes=routes_of(api, RequestGuard(asked)))

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            return await http.post(path, json=body, headers=headers)

    return asyncio.run(ask())


def test_a_token_is_asked_for_over_http_and_bad_wishes_are_refused() -> None:
    trial = TokenTrial()

    def ask(credential: str, body: dict[str, object]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {credential}"}
        return post(trial, TokenApi(trial.mint), "/v1/realtime/tokens", headers, body)

    made = ask(trial.secret, {"uses": 2})
    assert made.status_code == 201
    assert ask(made.json()["token"], {}).status_code == 403
    assert ask(trial.secret, {"seconds": 3601}).status_code == 400
    assert ask(trial.secret, {"modell": "fast"}).status_code == 400
    assert ask(trial.secret, {"session_seconds": 0}).status_code == 400
    narrow = ask(trial.secret, {"model": "fast", "session_seconds": 60}).json()["token"]
    found = trial.ask(narrow)
    assert (found.model, found.session_seconds) == ("fast", 60)


def test_a_token_for_one_model_gets_no_other() -> None:
    principal = replace(principal_of(TokenTrial().key), model="fast")
    assert principal.choose_model(None) == principal.choose_model("fast") == "fast"
    with pytest.raises(Forbidden, match="for the model fast alone"):
        principal.choose_model("accurate")
    assert LOCAL_USER.choose_model("accurate") == "accurate"


BEARER, TOKEN, XI = (
    ("Authorization", "Bearer "),
    ("Authorization", "Token "),
    ("xi-api-key", ""),
)


@pytest.mark.parametrize(
    ("path", "how", "body", "where", "uses"),
    [
        ("/v1/realtime/client_secrets", BEARER, {"session": {"type": "transcription"}}, ["value"], 100),
        ("/v1/realtime/client_secrets", BEARER, {"expires_after": {"seconds": 20}}, ["value"], 100),
        (
            "/v1/realtime/transcription_sessions",
            BEARER,
            {"input_audio_format": "pcm16"},
            ["client_secret", "value"],
            100,
        ),
        ("/v1/auth/grant", TOKEN, {"ttl_seconds": 20}, ["access_token"], 100),
        ("/v1/auth/grant", TOKEN, None, ["access_token"], 100),
        ("/v1/single-use-token/realtime_scribe", XI, None, ["token"], 1),
    ],
)
def test_clients_of_other_services_get_their_tokens(
    path: str, how: tuple[str, str], body: dict[str, object] | None, where: list[str], uses: int
) -> None:
    trial, (header, scheme) = TokenTrial(), how
    api = VendorTokenApi(trial.mint, describe_session)
    answer = post(trial, api, path, {header: scheme + trial.secret}, body)
    assert answer.status_code == 200
    token = answer.json()
    for name in where:
        token = token[name]
    assert token.startswith("ek_")  # The npm client of OpenAI takes no other.
    for _ in range(uses):
        assert trial.ask(token).name == "web"
    assert trial.status(token) == 401
    assert post(trial, api, path, {header: scheme + "dk_nobody"}, body).status_code == 401
    assert post(trial, api, path, {header: scheme + token}, body).status_code == 401


def test_a_token_of_another_service_lives_as_long_as_it_is_asked_for() -> None:
    trial = TokenTrial()
    api, headers = VendorTokenApi(trial.mint, describe_session), {"Authorization": f"Token {trial.secret}"}
    token = post(trial, api, "/v1/auth/grant", headers, {"ttl_seconds": 20}).json()["access_token"]
    trial.seconds += 20 + SKEW_S
    assert trial.status(token) == 401
    assert post(trial, api, "/v1/auth/grant", headers, {"ttl_seconds": 0}).status_code == 400


WORDS = {"model": "gpt-4o-transcribe", "language": "en"}
TURNS = {"type": "server_vad", "silence_duration_ms": 300}


@pytest.mark.parametrize(
    ("path", "session"),
    [
        (
            "client_secrets",
            {"type": "transcription", "audio": {"input": {"transcription": WORDS, "turn_detection": TURNS}}},
        ),
        ("transcription_sessions", {"input_audio_transcription": WORDS, "turn_detection": TURNS}),
    ],
)
def test_a_client_secret_carries_what_its_sessions_are(path: str, session: dict[str, object]) -> None:
    trial = TokenTrial()
    api, headers = VendorTokenApi(trial.mint, describe_session), {"Authorization": f"Bearer {trial.secret}"}

    def ask(wanted: dict[str, object]) -> httpx.Response:
        body: dict[str, object] = {"session": wanted} if path == "client_secrets" else wanted
        return post(trial, api, f"/v1/realtime/{path}", headers, body)

    made = ask(session).json()
    shown = made["session"]["audio"]["input"] if path == "client_secrets" else made
    assert shown["turn_detection"] == TURNS
    words = shown.get("transcription") or shown["input_audio_transcription"]
    assert words == {**WORDS, "prompt": ""}
    carried = trial.ask(made.get("value") or made["client_secret"]["value"]).session
    assert carried is not None
    assert json.loads(carried) == session
    assert trial.ask((ask({}).json().get("client_secret") or ask({}).json())["value"]).session is None
    assert ask({"input_audio_format": "mp3"}).status_code == 400
    assert ask({"input_audio_transcription": {"prompt": "x" * MAX_SESSION_CHARS}}).status_code == 400

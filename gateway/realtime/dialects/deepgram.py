"""Holds what Deepgram's two protocols for live audio share: keys, refusals, audio formats, closes."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from msgspec.structs import replace

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.events import SessionBegin
from dalston_realtime.protocol.parameters import SessionConfig, parse_query
from gateway.realtime.dialects.actions import CloseClient
from gateway.realtime.dialects.dialect import Conversation, Dialect, Opening
from gateway.realtime.dialects.handshake import FALSE, Handshake
from gateway.realtime.dialects.vocabulary import make_vocabulary
from gateway.sessions.outcome import SessionOutcome

SCHEMES: Final = ("token", "bearer")

ENCODINGS: Final[Mapping[str, str]] = {
    "linear16": "pcm_s16le",
    "linear32": "pcm_f32le",
    "mulaw": "mulaw",
    "alaw": "alaw",
}
"""Deepgram's names of the formats, and ours."""

CONTAINER: Final = "container"

NOTHING_BUT: Final[Mapping[str, str]] = {
    "redact": "redact is not supported: what it hides would be shown",
    "callback": "callback is not supported: the results would go nowhere",
}
"""What is refused, since silence about it would leak or lose something."""

_CLOSES: Final[Mapping[CloseCode, CloseClient]] = {
    CloseCode.NORMAL: CloseClient(1000, ""),
    CloseCode.IDLE_TIMEOUT: CloseClient(1011, "NET-0001: no audio and no KeepAlive came in time"),
    CloseCode.LAG_EXCEEDED: CloseClient(1011, "NET-0000: the results fell too far behind the audio"),
    CloseCode.INVALID_REQUEST: CloseClient(1008, "DATA-0000: the data can't be decoded"),
    CloseCode.SESSION_TOO_LONG: CloseClient(1001, "the session reached its longest duration"),
    CloseCode.RESTARTING: CloseClient(1012, "the server is going away"),
    CloseCode.NO_CAPACITY: CloseClient(1013, "no slot is free"),
    CloseCode.TOO_MANY_SESSIONS: CloseClient(1013, "a limit of this key is reached"),
    CloseCode.UNAUTHORIZED: CloseClient(1008, "the key is not valid"),
    CloseCode.FORBIDDEN: CloseClient(1008, "the key may not do this"),
}


class DeepgramDialect(Dialect):
    """What both protocols have in common; `new_id` makes the ids of requests."""

    ignored: ClassVar[tuple[str, ...]]
    """What of a query changes nothing, and is named in the answer."""

    def __init__(self, new_id: Callable[[], str] = lambda: str(uuid.uuid4())) -> None:
        self._new_id = new_id

    def refusal_headers(self, message: str) -> Mapping[str, str]:
        """With the reason, which frameworks show."""
        return {"dg-request-id": self._new_id(), "dg-error": message}

    def opening(
        self, handshake: Handshake, config: SessionConfig, begin: Callable[[SessionConfig, str], Conversation]
    ) -> Opening:
        """How a connection begins: `begin` gets the parameters in force, and the id of the request."""
        request_id = self._new_id()
        credential, subprotocol = deepgram_credential(handshake)
        return Opening(
            replace(config, vocabulary=deepgram_vocabulary(handshake)),
            lambda in_force: begin(in_force, request_id),
            credential,
            subprotocol,
            {"dg-request-id": request_id},
            handshake.asked(self.ignored),
        )


def deepgram_close(outcome: SessionOutcome) -> CloseClient:
    """How a connection is closed, by how its session ended."""
    code = CloseCode.INTERNAL if outcome.code is None else outcome.code
    return _CLOSES.get(code, CloseClient(1011, "a fault of the server"))


def deepgram_credential(handshake: Handshake) -> tuple[str | None, str | None]:
    """The client's key, and the sub-protocol that is selected."""
    offered = handshake.key_behind(*SCHEMES)
    key = handshake.authorization(SCHEMES)
    return (key or (offered[1] if offered else None)), (offered[0] if offered else None)


def deepgram_config(handshake: Handshake, **more: Any) -> SessionConfig:
    """The session that both protocols ask for in the same words; `more` are further parameters.

    Raises:
        InvalidParameter: a parameter has a bad value, or asks for what nobody may pretend to do.
    """
    _refuse(handshake)
    query = {**_audio_form(handshake), **more}
    for name in ("model", "channels"):
        if (text := handshake.one(name)) is not None:
            query[name] = text
    return parse_query({name: str(value) for name, value in query.items()})


def deepgram_vocabulary(handshake: Handshake) -> tuple[str, ...]:
    """The key terms, and the keywords without their weights."""
    keywords = (text.rpartition(":")[0] or text for text in handshake.all("keywords"))
    return make_vocabulary((*handshake.all("keyterm"), *keywords))


def deepgram_language(codes: tuple[str, ...]) -> str:
    """Our language for those that a client names; several are found out."""
    known = tuple(code for code in codes if code and code != "multi")
    return known[0] if len(codes) == 1 and known else "auto"


def _audio_form(handshake: Handshake) -> Mapping[str, str]:
    """Samples as the client says; or else a container, which its first bytes tell."""
    encoding, rate = handshake.one("encoding"), handshake.one("sample_rate")
    if encoding is None:
        return {"encoding": CONTAINER}
    if encoding not in ENCODINGS:
        raise InvalidParameter("encoding", f"encoding must be one of {', '.join(ENCODINGS)}")
    if rate is None:
        raise InvalidParameter("sample_rate", "sample_rate is needed where encoding is given")
    return {"encoding": ENCODINGS[encoding], "sample_rate": rate}


def takes_vocabulary(event: SessionBegin, config: SessionConfig) -> bool:
    """Whether key terms may change, which takes another session: a container can't go on in one."""
    return bool((event.features or {}).get("vocabulary")) and config.encoding != CONTAINER


def _refuse(handshake: Handshake) -> None:
    for name, why in NOTHING_BUT.items():
        if any(text.lower() not in ("", *FALSE) for text in handshake.all(name)):
            raise InvalidParameter(name, why)

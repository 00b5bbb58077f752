"""Decides who makes a request, from its credential and where it comes from."""

from typing import Final, Protocol

from gateway.auth.errors import Forbidden, Unauthorized
from gateway.auth.key_directory import LOOK_AGAIN_S, KeyDirectory
from gateway.auth.principal import LOCAL_USER, Principal, principal_of
from gateway.auth.request_facts import RequestFacts, is_loopback_host, is_loopback_origin
from storage.api_keys.api_key import PREFIX

HOW_TO: Final = "make one with `dalston-rt keys create NAME`, and give it as `Authorization: Bearer KEY`"


class TokenVerifier(Protocol):
    """Checks credentials of one more kind: short-lived tokens."""

    def recognizes(self, credential: str) -> bool:
        """Whether a credential has the form of such a token."""

    async def verify(self, credential: str, facts: RequestFacts) -> Principal:
        """Who has the token.

        Raises:
            Unauthorized: it does not hold.
            Forbidden: it does not hold for this request, such as one of another origin.
        """


class Authenticator:
    """Knows the keys; with `open_to_local`, who needs none while no key was ever made.

    `is_off` is for a server that lets everybody in, and `tokens` checks tokens, where there are any.
    """

    def __init__(
        self,
        keys: KeyDirectory,
        *,
        open_to_local: bool,
        is_off: bool = False,
        tokens: TokenVerifier | None = None,
    ) -> None:
        self.keys = keys
        self._open_to_local, self._is_off, self._tokens = open_to_local, is_off, tokens

    async def authenticate(self, credential: str | None, facts: RequestFacts) -> Principal:
        """Who makes the request.

        Raises:
            Unauthorized, Forbidden, AuthUnavailable: nobody who may.
        """
        if self._is_off:
            return LOCAL_USER
        if credential is not None and credential.startswith(PREFIX):
            return await self._owner(credential)
        if credential is not None and self._tokens is not None and self._tokens.recognizes(credential):
            return await self._tokens.verify(credential, facts)
        return await self._without_key(credential, facts)

    def holds(self, principal_id: str) -> bool:
        """Whether a principal that was let in may stay: its key is neither revoked nor expired.

        The user of this machine may; what they began before the first key was made is theirs.
        """
        return self._is_off or principal_id == LOCAL_USER.id or self.keys.get(principal_id) is not None

    async def _owner(self, secret: str) -> Principal:
        key = await self.keys.find(secret)
        if key is None:
            raise Unauthorized("this key is not known, is revoked or has expired")
        return principal_of(key)

    async def _without_key(self, credential: str | None, facts: RequestFacts) -> Principal:
        """The user of this machine, as long as nobody made a key."""
        if not self.keys.is_known:
            await self.keys.look(LOOK_AGAIN_S)
        self.keys.check_known()
        if self._open_to_local and not self.keys.any_made:
            check_local(facts)
            return LOCAL_USER
        if credential is not None:
            raise Unauthorized("this is no key and no token of this server")
        raise Unauthorized(f"a key is needed: {HOW_TO}")


def check_local(facts: RequestFacts) -> None:
    """Refuse what another site's page or a proxy sends to a server that is open to this machine alone.

    A page of another site can have a browser send requests to this machine. It shows in Origin; and in Host
    where the site's own name was made to point to this machine.

    Raises:
        Forbidden: it does not come from this machine.
    """
    if not is_loopback_host(facts.host):
        raise Forbidden(f"without keys this server answers only to localhost; {HOW_TO}")
    if facts.is_embedded or (facts.origin is not None and not is_loopback_origin(facts.origin)):
        raise Forbidden(f"without keys this server answers no page of another site; {HOW_TO}")
    if facts.is_forwarded:
        raise Forbidden(f"without keys this server answers nobody behind a proxy; {HOW_TO}")

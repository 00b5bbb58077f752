"""Lets a request in, or refuses it: finds its credential, who has that, and whether they may do this."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from starlette.requests import HTTPConnection

from gateway.auth.audit_log import AuditLog
from gateway.auth.authenticator import Authenticator
from gateway.auth.credentials import credential_of
from gateway.auth.errors import RequestRefused, Unauthorized
from gateway.auth.principal import LOCAL_USER, Principal, Scope
from gateway.auth.request_facts import RequestFacts, network_of
from gateway.auth.usage_limits import UsageLimits
from gateway.settings import Network


class RequestGuard:
    """The one way in, for REST and WebSockets.

    `trusted` are the proxies that are believed, `open_paths` need no credential, and `limits` say how
    many requests one may make.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        audit: AuditLog | None = None,
        trusted: Sequence[Network] = (),
        open_paths: Collection[str] = (),
        limits: UsageLimits | None = None,
    ) -> None:
        self.authenticator, self.audit = authenticator, audit
        self._trusted, self._open_paths, self._limits = trusted, open_paths, limits

    def facts_of(self, connection: HTTPConnection) -> RequestFacts:
        """Where a request comes from."""
        return RequestFacts.of(connection, self._trusted)

    async def admit(
        self,
        connection: HTTPConnection,
        scope: Scope,
        read: Callable[[HTTPConnection], str | None] = credential_of,
    ) -> Principal:
        """Who makes a request, if they may do what `scope` allows; `read` finds the credential.

        Raises:
            RequestRefused: they may not, or not so often, or it is not known who they are.
        """
        if connection.scope["path"] in self._open_paths:
            return LOCAL_USER
        try:
            credential = read(connection)
        except RequestRefused as refused:
            await self._note_refusal(connection, refused)
            raise
        return await self.admit_credential(connection, credential, scope)

    async def admit_credential(
        self, connection: HTTPConnection, credential: str | None, scope: Scope
    ) -> Principal:
        """The same, for a dialect that reads the credential itself."""
        facts = self.facts_of(connection)
        try:
            principal = await self.authenticator.authenticate(credential, facts)
            principal.require(scope)
        except RequestRefused as refused:
            await self._note_refusal(connection, refused)
            raise
        principal = placed(principal, facts.address)
        if self._limits is not None:
            await self._limits.count_request(principal.account)
        return principal

    async def record(
        self, connection: HTTPConnection, action: str, principal: Principal, **about: object
    ) -> None:
        """Write into the audit log what a principal did."""
        if self.audit is not None:
            address = self.facts_of(connection).address
            await self.audit.append(
                action, principal=principal.id, name=principal.name, address=address, **about
            )

    async def _note_refusal(self, connection: HTTPConnection, refused: RequestRefused) -> None:
        if not isinstance(refused, Unauthorized):
            return
        address = self.facts_of(connection).address
        if self.audit is not None:
            path = connection.scope["path"][:200]
            await self.audit.append_failure(address=address, path=path, why=refused.message)
        if self._limits is not None:
            await self._limits.count_failure(address)


def placed(principal: Principal, address: str) -> Principal:
    """The principal; one without a key is counted by the network that the request comes from."""
    return replace(principal, network=network_of(address)) if principal.id == LOCAL_USER.id else principal

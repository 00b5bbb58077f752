"""Defines a principal: who makes a request, what they may do, and how much."""

from dataclasses import dataclass
from typing import Final

from gateway.auth.errors import Forbidden
from storage.api_keys.api_key import SCOPES, ApiKey, KeyLimits, Scope
from storage.tables import LOCAL

__all__ = ["LOCAL_USER", "KeyLimits", "Principal", "Scope", "principal_of"]

ADDRESS: Final = "address:"  # What the account of a client without a key begins with.
NO_LIMITS: Final = KeyLimits()


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a request; `id` is what their sessions, jobs and speakers belong to.

    A token that was made from a key has the `id` and the `name` of that key, and `is_token`; `session` is the
    JSON of what whoever made it said of its sessions, which have one `model` alone and last `session_seconds`
    at most. Who has no key is counted by the `network` of their address, or, where that is "", not at all: on
    this machine.
    """

    id: str
    name: str
    scopes: frozenset[Scope]
    limits: KeyLimits = NO_LIMITS
    is_token: bool = False
    session: str | None = None
    network: str = ""
    model: str | None = None
    session_seconds: int | None = None

    def choose_model(self, asked: str | None) -> str | None:
        """The model of a session for which `asked` was asked, None for none.

        Raises:
            Forbidden: it is another one than they may use.
        """
        if self.model is not None and asked not in (None, self.model):
            raise Forbidden(f"this token is for the model {self.model} alone")
        return self.model or asked

    @property
    def account(self) -> str:
        """Under which name their use is counted; "" where it is not."""
        if self.id != LOCAL:
            return self.id
        return f"{ADDRESS}{self.network}" if self.network else ""

    def require(self, scope: Scope) -> None:
        """Refuse who may not do what `scope` allows.

        Raises:
            Forbidden: the principal lacks it.
        """
        if scope not in self.scopes:
            raise Forbidden(f"this needs the scope {scope}, which this key does not have")


LOCAL_USER: Final = Principal(LOCAL, LOCAL, frozenset(SCOPES))


def principal_of(key: ApiKey) -> Principal:
    """Who has this key."""
    return Principal(key.id, key.name, key.scopes, key.limits)

"""Credentials are read from one place, and refused in any other form."""

import pytest

from gateway.auth.credentials import MAX_CREDENTIAL, credential_of, selected_subprotocol
from gateway.auth.errors import RequestRefused
from tests.support.auth_parts import connection

BEARER = ("Authorization", "Bearer dk_x")


def test_a_credential_comes_in_the_header_the_query_or_a_subprotocol() -> None:
    assert credential_of(connection(BEARER)) == "dk_x"
    assert credential_of(connection(("authorization", "bearer  dk_x "))) == "dk_x"
    assert credential_of(connection(query="model=fast&token=tk%2B")) == "tk+"
    assert credential_of(connection(subprotocols=["dalston", "token.abc"])) == "abc"
    assert credential_of(connection(("Host", "x"), query="model=fast")) is None


def test_the_subprotocol_without_the_token_is_selected() -> None:
    assert selected_subprotocol(connection(subprotocols=["token.abc", "dalston"])) == "dalston"
    assert selected_subprotocol(connection(subprotocols=["token.abc"])) is None
    assert selected_subprotocol(connection()) is None


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ([BEARER, BEARER], "", 400),
        ([BEARER], "token=x", 400),
        ([], "token=x&token=y", 400),
        ([("Authorization", "Basic dXNlcg==")], "", 401),
        ([("Authorization", "dk_x")], "", 401),
        ([("Authorization", "Bearer")], "", 401),
        ([("Authorization", "Bearer ")], "", 401),
        ([("Authorization", "Bearer " + "x" * (MAX_CREDENTIAL + 1))], "", 401),
        ([], "token=", 401),
        ([], "token=dk_x", 401),
    ],
)
def test_every_other_form_is_refused(headers: list[tuple[str, str]], query: str, status: int) -> None:
    with pytest.raises(RequestRefused) as refused:
        credential_of(connection(*headers, query=query))
    assert refused.value.reply.status_code == status
    assert ("www-authenticate" in refused.value.reply.headers) == (status == 401)

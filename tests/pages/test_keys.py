"""The pages ask for a key where the server has keys, say what is wrong with one, and go on with another."""

import json
from collections.abc import Iterator
from typing import Final

import pytest

from storage.api_keys.key_store import KeyStore
from storage.database import Database
from tests.support.axe import serious_findings
from tests.support.browser import BrowserTab
from tests.support.page_server import PageServer
from tests.support.system_sessions import wait_until

ASKED: Final = "document.querySelector('dialog[open] #key')"
NOTICE: Final = "document.querySelector('#notice').innerText"
READY: Final = "document.querySelector('#model').options[0].text.includes('tiny-en')"
ELAPSED: Final = "document.querySelector('#elapsed').textContent"
FINALS: Final = "document.querySelectorAll('.log p > span').length"


@pytest.fixture(scope="module")
def keys(server: PageServer) -> Iterator[KeyStore]:
    """The keys of the server, with which it is closed."""
    database = Database(f"sqlite:///{server.folder}/data/history.db")
    store = KeyStore(database)
    store.create("first", ["admin"])
    wait_until(lambda: server.gateway.get("/v1/models").status_code == 401)
    yield store
    database.close()


@pytest.fixture(autouse=True)
def _nobody(server: PageServer, keys: KeyStore) -> None:
    """Nobody is signed in."""
    server.open("/").evaluate("sessionStorage.clear()")


def give(page: BrowserTab, key: str) -> None:
    """Type a key, once one is asked for."""
    page.wait_for(ASKED)
    page.evaluate(f"{ASKED}.value = {json.dumps(key)}")
    page.click("dialog .primary")


def test_a_key_that_is_revoked_is_replaced_and_no_word_is_lost(server: PageServer, keys: KeyStore) -> None:
    (first, secret), (_, other) = (keys.create(name, ["transcribe"]) for name in ("one", "two"))
    page = server.open("/")
    give(page, "dk_wrong")
    page.wait_for("document.querySelector('dialog').innerText.includes('This key is not known')")
    assert serious_findings(page) == []
    give(page, secret)
    page.wait_for(READY)
    page.click("#start")
    page.wait_for(f"{FINALS} > 1")
    keys.revoke(first.id)
    page.wait_for(ASKED)
    now = page.evaluate(ELAPSED)
    page.wait_for(f"{ELAPSED} !== {json.dumps(now)}")
    give(page, other)
    page.wait_for(f"{NOTICE}.includes('Nothing is missing')")
    page.click("#stop")
    page.wait_for("!document.querySelector('#start').hidden")
    minutes, rest = str(page.evaluate(ELAPSED)).split(":")
    assert page.evaluate(FINALS) == int(minutes) * 60 + int(rest)
    assert secret not in page.evaluate("location.href")
    assert page.trouble() == []


def test_a_key_that_may_not_is_replaced_and_forgotten(server: PageServer, keys: KeyStore) -> None:
    (_, talker), (_, admin) = keys.create("talker", ["transcribe"]), keys.create("admin", ["admin"])
    for path, scope in (("/sessions", "history"), ("/operator", "admin")):
        page = server.open(path)
        page.evaluate(f"sessionStorage.setItem('dalston.key', {json.dumps(talker)})")
        page = server.open(path)
        page.wait_for(f"{NOTICE}.includes('needs the scope {scope}')")
    page.click("#notice button")
    give(page, admin)
    page.wait_for("document.querySelector('#workers .chip') && !document.querySelector('#keys').hidden")
    page.show(390, 800)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.show(1280, 800)
    page.click("#forget")
    page.wait_for(ASKED)
    page.click("dialog button[value=cancel]")
    page.wait_for(f"{NOTICE}.includes('A key is needed')")


def test_who_gives_no_key_is_not_asked_again_and_again(server: PageServer) -> None:
    page = server.open("/sessions")
    page.wait_for(ASKED)
    page.click("dialog button[value=cancel]")
    page.wait_for(f"{NOTICE}.includes('Enter a key')")
    page.click("#filters button")
    page.wait_for(f"{NOTICE}.includes('Enter a key')")
    assert page.evaluate(f"{ASKED} === null") is True


def test_a_client_is_told_what_is_wrong_with_its_token_or_its_parameters(
    server: PageServer, keys: KeyStore
) -> None:
    _, secret = keys.create("app", ["transcribe"])
    page = server.open("/")
    page.evaluate(f"sessionStorage.setItem('dalston.key', {json.dumps(secret)})")
    found = page.run(
        """(async () => {
            const { connect } = await import("/static/dalston.js");
            const { socketToken } = await import("/static/api.js");
            const told = ({ status, message }) => [status, message];
            const fault = (options) => connect(options).done.catch(told);
            const used = await socketToken();
            const first = connect({ token: used });
            await new Promise((resolve) => first.on("session.begin", resolve));
            first.close();
            return [await fault({ token: used }), await fault({ token: socketToken, language: "xx" })];
        })()"""
    )
    assert found == [
        [401, "this token was used as often as it may be"],
        [400, "fast does not know xx; it knows auto, en"],
    ]

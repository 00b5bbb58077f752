"""The pages of sessions find, show, play, compare, name and delete what is kept."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from storage.database import Database
from storage.history.writing.changes import NewUtterance
from tests.support.axe import serious_findings
from tests.support.browser import BrowserTab
from tests.support.histories import NOON, MovedClock, begun, history_of, written
from tests.support.page_server import PageServer

SPOKEN: Final = f"{1:032x}"
ACTIVE: Final = f"{2:032x}"
DOOMED: Final = f"{3:032x}"
HOSTILE: Final = "<img src=x onerror=alert(1)>"
LONG_NAME: Final = "🦊" * 300


def words_of(text: str, start: float) -> str:
    """JSON of the words, half a second each."""
    times = ((word, start + at / 2) for at, word in enumerate(text.split()))
    return json.dumps([{"word": word, "start": at, "end": at + 0.5} for word, at in times])


def say(kept: Any, number: int, text: str, *, source: str = "live", speaker: str | None = None) -> None:
    start = 2.0 * (number - 1)
    times = {"start": start, "end": start + 2, "words": words_of(text, start)}
    kept.add_utterance(NewUtterance(number=number, text=text, speaker=speaker, source=source, **times))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def kept(server: PageServer) -> Iterator[PageServer]:
    """The server with three sessions: one with sound and two texts, one that runs, one to delete."""
    data = server.folder / "data"
    folder = data / "sessions" / SPOKEN
    folder.mkdir(parents=True)
    shutil.copy(server.talk, folder / "audio.wav")
    database = Database(f"sqlite:///{data}/history.db")
    clock = MovedClock()
    clock.seconds = (datetime.now(UTC) - NOON).total_seconds()  # The gateway sweeps what has been silent.
    with history_of(database, clock) as history:
        spoken = begun(history, SPOKEN)
        say(spoken, 1, "The fox jumps here")
        say(spoken, 2, HOSTILE)
        say(spoken, 1, "The fax jumps here", source="enhanced", speaker="S1")
        say(spoken, 2, HOSTILE, source="enhanced", speaker="S2")
        spoken.finish("ended", "normal", audio_seconds=14.0)
        begun(history, DOOMED).finish("ended", "normal", audio_seconds=1.0)
        active = begun(history, ACTIVE)
        say(active, 1, "It runs now")
        written(history)
        yield server
        active.finish("ended", "normal", audio_seconds=2.0)


def shown(page: BrowserTab, selector: str) -> list[str]:
    """The texts of all elements."""
    texts = f"[...document.querySelectorAll({json.dumps(selector)})].map((each) => each.innerText)"
    return list(page.evaluate(texts))


def test_a_search_shows_hits_and_what_runs_is_on_top(kept: PageServer) -> None:
    page = kept.open("/sessions")
    page.wait_for("document.querySelector('#past .card') && document.querySelector('#live .card')")
    assert "active" in shown(page, "#live .card")[0]
    assert all("active" not in card for card in shown(page, "#past .card"))
    page.evaluate("document.querySelector('#search').value = 'FOX'")
    page.click("#filters button")
    page.wait_for("document.querySelector('#past mark')")
    assert shown(page, "#past mark") == ["fox"]
    assert "search=FOX" in page.evaluate("location.search")
    page.evaluate("document.querySelector('#search').value = 'nobody says this'")
    page.click("#filters button")
    page.wait_for("document.querySelector('#empty').innerText === 'Nothing was found.'")
    assert serious_findings(page) == []
    assert page.trouble() == []


def test_words_light_up_as_they_are_played(kept: PageServer) -> None:
    page = kept.open(f"/sessions/{SPOKEN}")
    page.wait_for("!document.querySelector('#player').hidden && document.querySelector('.word')")
    page.click(".word[data-start='1']")
    page.wait_for("document.querySelector('.lit')")
    page.wait_for("document.querySelector('#play').innerText === 'Pause'")
    page.click("#play")
    assert shown(page, "#transcript .who") == ["S1", "S2"]
    assert HOSTILE in "".join(shown(page, "#transcript"))
    assert page.evaluate("document.querySelectorAll('#transcript img').length") == 0
    assert serious_findings(page) == []
    assert page.trouble() == []


def test_live_and_enhanced_text_are_compared(kept: PageServer) -> None:
    page = kept.open(f"/sessions/{SPOKEN}")
    page.wait_for("!document.querySelector('#compare-label').hidden")
    page.click("#compare")
    page.wait_for("document.querySelector('.compare')")
    assert shown(page, ".compare mark") == ["fox", "fax"]


def test_a_speaker_gets_a_name_and_a_long_one_is_refused_in_words(kept: PageServer) -> None:
    page = kept.open(f"/sessions/{SPOKEN}")
    page.wait_for("document.querySelector('.speakers input')")

    def name_it(name: str) -> None:
        page.evaluate(
            f"""(() => {{
                const field = document.querySelector(".speakers input");
                field.value = {json.dumps(name)};
                field.dispatchEvent(new Event("change"));
            }})()"""
        )

    name_it(LONG_NAME)
    page.wait_for("document.querySelector('#notice').innerText.includes('a name of at most 200')")
    name_it("Zoë 🦊")
    page.wait_for("document.querySelector('.who').innerText === 'Zoë 🦊'")


def test_a_session_that_runs_is_followed(kept: PageServer) -> None:
    page = kept.open(f"/sessions/{ACTIVE}")
    page.wait_for("document.querySelector('#transcript').innerText.includes('It runs now')")
    assert page.evaluate("document.querySelector('#delete').disabled") is True


def test_a_session_is_deleted_after_a_question_and_a_page_that_shows_it_says_so(kept: PageServer) -> None:
    page = kept.open(f"/sessions/{DOOMED}")
    page.wait_for("!document.querySelector('#empty').hidden")
    page.click("#delete")
    page.wait_for("document.querySelector('dialog[open]')")
    page.click("dialog .danger")
    page.wait_for("location.pathname === '/sessions'")
    page = kept.open(f"/sessions/{DOOMED}")
    page.wait_for("document.querySelector('#notice').innerText.includes('This session is not there')")


def test_a_key_is_asked_for_and_stands_in_no_url(kept: PageServer) -> None:
    page = kept.open("/sessions")
    found = page.run(
        """(async () => {
            const { call } = await import("/static/api.js");
            const real = fetch;
            const soon = () => new Promise((resolve) => setTimeout(resolve, 5));
            const asked = [];
            globalThis.fetch = async (url, options) => {
                asked.push([String(url), options.headers.Authorization ?? null]);
                if (asked.at(-1)[1] === "Bearer dk_good") return new Response("{}");
                const body = JSON.stringify({ error: { code: "unauthorized", message: "no such key" } });
                return new Response(body, { status: 401 });
            };
            const typed = async (key) => {
                while (!document.querySelector("dialog[open] input")) await soon();
                const dialog = document.querySelector("dialog[open]");
                const said = dialog.innerText;
                dialog.querySelector("input").value = key;
                dialog.querySelector(".primary").click();
                while (dialog.isConnected) await soon();
                return said;
            };
            const answer = call("/v1/models");
            await typed("dk_bad");
            const said = await typed("dk_good");
            await answer;
            globalThis.fetch = real;
            sessionStorage.clear();
            return { asked: asked.filter(([url]) => url === "/v1/models").map(([, key]) => key), said };
        })()"""
    )
    assert found["asked"] == [None, "Bearer dk_bad", "Bearer dk_good"]
    assert "No such key." in found["said"]
    assert "dk_" not in page.evaluate("location.href")

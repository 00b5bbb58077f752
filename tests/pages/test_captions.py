"""The page of live captions works as people use it, and says in a sentence what went wrong."""

import json
import os
import re
import wave
from pathlib import Path
from typing import Final

import pytest

from tests.support.axe import serious_findings
from tests.support.browser import BrowserTab
from tests.support.firefox import firefox_with_microphone
from tests.support.page_server import PageServer

HOSTILE: Final = "<img src=x onerror=alert(1)> & <script>alert(2)</script>"
READY: Final = "document.querySelector('#model').options[0].text.includes('tiny-en')"
STOPPED: Final = "!document.querySelector('#start').hidden"


def said(page: BrowserTab) -> str:
    return str(page.evaluate("document.querySelector('#transcript').innerText"))


def says(text: str) -> str:
    """A condition: the transcript has this text."""
    return f"document.querySelector('#transcript').innerText.includes({json.dumps(text)})"


def notices(text: str) -> str:
    """A condition: a notice has this text."""
    return f"document.querySelector('#notice').innerText.includes({json.dumps(text)})"


def finals_last_as_long_as_the_sound(page: BrowserTab) -> bool:
    """Whether there is a text for each second that was recorded."""
    seconds = [int(number) for number in re.findall(r"second (\d+)\.", said(page))]
    minutes, rest = str(page.evaluate("document.querySelector('#elapsed').textContent")).split(":")
    return seconds == list(range(1, int(minutes) * 60 + int(rest) + 1))


@pytest.fixture
def page(server: PageServer) -> BrowserTab:
    """The page, before anybody has done anything."""
    server.page.show(1280, 800)
    page = server.open("/")
    page.evaluate("localStorage.clear()")
    page = server.open("/")
    page.wait_for(READY)
    return page


def test_no_word_is_lost_with_the_connection(server: PageServer, page: BrowserTab) -> None:
    page.click("#start")
    page.wait_for(says("second 1."))
    page.wait_for("document.querySelector('.partial .stable').textContent === 'second '")
    assert "Latency" in page.text()
    server.disconnect()
    page.wait_for(notices("The connection is lost. Keep talking"))
    server.reconnect()
    page.wait_for(notices("Nothing is missing"))
    page.wait_for(says("second 3."))
    page.click("#stop")
    page.wait_for(STOPPED)
    assert finals_last_as_long_as_the_sound(page)
    assert page.trouble() == []
    assert serious_findings(page) == []


def test_what_is_said_is_text_and_no_html(server: PageServer, page: BrowserTab) -> None:
    page.click("summary")
    page.evaluate(f"document.querySelector('#vocabulary').value = {json.dumps(HOSTILE[:50])}")
    page.click("#start")
    page.wait_for(says(HOSTILE[:50]))
    assert page.evaluate("document.querySelectorAll('#transcript img, #transcript script').length") == 0
    assert page.trouble() == []
    page.click("#stop")
    page.wait_for(STOPPED)


def test_settings_survive_a_reload(server: PageServer, page: BrowserTab) -> None:
    page.evaluate(
        """(() => {
            document.querySelector("#model").value = "accurate";
            document.querySelector("#vocabulary").value = "Zoë";
            document.querySelector("#store").checked = true;
            document.querySelector("#store").dispatchEvent(new Event("change", { bubbles: true }));
        })()"""
    )
    page = server.open("/")
    values = "['model', 'vocabulary'].map((id) => document.getElementById(id).value)"
    assert page.evaluate(values) == ["accurate", "Zoë"]
    assert page.evaluate("document.querySelector('#store').checked") is True


def test_a_file_becomes_text_as_fast_as_it_goes(server: PageServer, page: BrowserTab) -> None:
    page.evaluate("document.querySelector('#pace').value = 'fast'")
    page.choose_file("#file", server.talk)
    page.wait_for(says("second 9."))
    page.wait_for(STOPPED)
    assert page.evaluate("document.querySelector('#copy').disabled") is False
    assert page.trouble() == []


@pytest.mark.parametrize("pace", ["real", "fast"])
def test_a_file_without_audio_is_named(page: BrowserTab, tmp_path: Path, pace: str) -> None:
    file = tmp_path / "holiday 🏖.mp3"
    file.write_text("no sound at all")
    page.evaluate(f"document.querySelector('#pace').value = '{pace}'")
    page.choose_file("#file", file)
    page.wait_for(notices("“holiday 🏖.mp3” is not audio that this browser can read."))
    assert page.evaluate(STOPPED) is True


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("NotFoundError", "There is no microphone."),
        ("NotAllowedError", "Allow the microphone for this page"),
        ("NotReadableError", "Another program holds the microphone."),
    ],
)
def test_a_microphone_that_fails_is_explained(page: BrowserTab, name: str, sentence: str) -> None:
    failing = f"async () => {{ throw new DOMException('x', '{name}') }}"
    page.evaluate(f"navigator.mediaDevices.getUserMedia = {failing}")
    page.click("#start")
    page.wait_for(notices(sentence))
    assert page.evaluate(STOPPED) is True
    assert page.trouble() == []


def test_a_microphone_that_is_pulled_out_ends_the_session_well(page: BrowserTab) -> None:
    page.evaluate(
        """(() => {
            const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
            navigator.mediaDevices.getUserMedia = async (wish) => (globalThis.stream = await open(wish));
        })()"""
    )
    page.click("#start")
    page.wait_for(says("second 1."))
    page.evaluate("void stream.getAudioTracks()[0].dispatchEvent(new Event('ended'))")
    page.wait_for(STOPPED)
    assert page.evaluate(notices("The microphone is gone.")) is True


TAB: Final = """(() => {
    const media = navigator.mediaDevices;
    media.getDisplayMedia = async (wish) => {
        globalThis.shared = SHARED;
        return shared;
    };
})()"""


def test_the_sound_of_a_tab_becomes_text_until_it_is_shared_no_more(page: BrowserTab) -> None:
    page.evaluate(TAB.replace("SHARED", "await media.getUserMedia({ audio: true })"))
    page.click("#tab")
    page.wait_for(says("second 1."))
    page.evaluate("void shared.getAudioTracks()[0].dispatchEvent(new Event('ended'))")
    page.wait_for(STOPPED)
    assert page.evaluate(notices("The recording is at its end.")) is True


@pytest.mark.parametrize(
    ("shared", "sentence"),
    [
        ("document.createElement('canvas').captureStream()", "What was chosen has no sound."),
        ("await Promise.reject(new DOMException('x', 'NotAllowedError'))", "Nothing is shared."),
    ],
)
def test_a_tab_without_sound_is_explained(page: BrowserTab, shared: str, sentence: str) -> None:
    page.evaluate(TAB.replace("SHARED", shared))
    page.click("#tab")
    page.wait_for(notices(sentence))
    assert page.evaluate(STOPPED) is True
    assert page.trouble() == []


def test_a_microphone_of_96_khz_is_taken_as_it_is(page: BrowserTab) -> None:
    page.evaluate("MediaStreamTrack.prototype.getSettings = () => ({ sampleRate: 96_000 })")
    page.evaluate(
        """(() => {
            const Plain = WebSocket;
            globalThis.WebSocket = class extends Plain {
                constructor(url, ...rest) { super(url, ...rest); globalThis.opened = url; }
            };
        })()"""
    )
    page.click("#start")
    page.wait_for(says("second 1."))
    page.click("#stop")
    page.wait_for(STOPPED)
    assert "sample_rate=96000" in page.evaluate("opened")
    assert finals_last_as_long_as_the_sound(page)


def test_a_file_of_two_hours_is_not_decoded_as_a_whole(page: BrowserTab, tmp_path: Path) -> None:
    file = tmp_path / "long.wav"
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(8_000)
        sound.setnframes(2 * 3600 * 8_000)
        sound.writeframesraw(b"")
    os.truncate(file, file.stat().st_size + 2 * 3600 * 8_000)
    page.evaluate("document.querySelector('#pace').value = 'fast'")
    page.choose_file("#file", file)
    page.wait_for(notices("a recording may have 45 minutes; this one has 120"))
    assert page.evaluate(STOPPED) is True


def test_a_machine_that_slept_goes_on(page: BrowserTab) -> None:
    page.click("#start")
    page.wait_for(says("second 1."))
    page.sleep(on=True)
    page.sleep(on=False)
    page.wait_for(says("second 3."))
    page.click("#stop")
    page.wait_for(STOPPED)
    assert finals_last_as_long_as_the_sound(page)


def test_a_browser_that_starts_no_sound_is_explained(page: BrowserTab) -> None:
    page.evaluate(
        """(() => {
            const later = setTimeout;
            globalThis.setTimeout = (act, ms) => later(act, ms === 5_000 ? 0 : ms);
            AudioContext.prototype.resume = () => new Promise(() => {});
            Object.defineProperty(AudioContext.prototype, "state", { get: () => "suspended" });
        })()"""
    )
    page.click("#start")
    page.wait_for(notices("The browser starts no sound."))
    assert page.evaluate(STOPPED) is True


def test_firefox_makes_text_of_a_microphone(server: PageServer, page: BrowserTab, tmp_path: Path) -> None:
    page.open("about:blank")
    with firefox_with_microphone(tmp_path) as firefox:
        firefox.open(server.url)
        firefox.wait_for(READY)
        firefox.click("#start")
        firefox.wait_for(says("second 2."))
        firefox.click("#stop")
        firefox.wait_for(STOPPED)
        assert firefox.evaluate("document.querySelector('#copy').disabled") is False


def test_who_waits_for_a_slot_sees_the_place_in_the_queue(page: BrowserTab) -> None:
    page.run(
        """(async () => {
            const { connect } = await import("/static/dalston.js");
            globalThis.other = connect({});
            await new Promise((resolve) => other.on("session.begin", resolve));
        })()"""
    )
    page.click("#start")
    page.wait_for(notices("You are number 1 in the queue"))
    page.evaluate("other.close()")
    page.wait_for(says("second 1."))
    page.click("#stop")
    page.wait_for(STOPPED)


def test_hours_of_talk_stay_a_small_page(page: BrowserTab) -> None:
    paragraphs = page.run(
        """(async () => {
            const { TranscriptView } = await import("/static/transcript-view.js");
            const view = new TranscriptView(document.querySelector("#transcript"));
            for (let n = 0; n < 400; n += 1) view.addFinal({ text: "word", start: 5 * n, end: 5 * n + 1 });
            view.showPartial({ text: "a\\u{1F600}bc", stable: 2 });
            return document.querySelectorAll("#transcript p").length;
        })()"""
    )
    assert paragraphs < 150
    assert page.evaluate("document.querySelector('.partial .stable').textContent") == "a\U0001f600"
    live = "document.querySelector('.partial').closest('[role=log]')"
    assert page.evaluate(f"{live} === null") is True


def test_an_overlay_shows_captions_and_nothing_else(server: PageServer) -> None:
    page = server.open("/?overlay=1&lines=3&size=40&background=black")
    page.wait_for("document.querySelector('.lines button')")
    page.click(".lines button")
    page.wait_for("document.querySelector('.lines').innerText.includes('second 1.')")
    assert page.evaluate("getComputedStyle(document.querySelector('.lines')).maxHeight") == "150px"
    assert page.evaluate("document.querySelectorAll('header, button').length") == 0
    assert page.trouble() == []
    page.open("about:blank")

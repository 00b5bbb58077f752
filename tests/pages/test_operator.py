"""The operator's page shows workers, stages and sessions as they are, and drains workers."""

import json
from typing import Final

from tests.support.axe import serious_findings
from tests.support.browser import BrowserTab
from tests.support.page_server import PageServer

STATE: Final = "document.querySelector('#workers .chip').innerText"


def wait_for_button(page: BrowserTab, text: str) -> None:
    page.wait_for(f"document.querySelector('#workers button').innerText === {json.dumps(text)}")


def test_an_operator_sees_sessions_and_drains_a_worker(server: PageServer) -> None:
    page = server.open("/operator")
    page.wait_for(f"{STATE} === 'ready'")
    assert "tiny-en" in page.text()
    page.run(
        """(async () => {
            const { connect } = await import("/static/dalston.js");
            globalThis.session = connect({});
            await new Promise((resolve) => session.on("session.begin", resolve));
            session.send(new Int16Array(16000));
            await connect({ model: "nobody has it" }).done.catch(() => {});
        })()"""
    )
    page.wait_for("document.querySelector('#sessions').innerText.includes('worker-1')")
    page.wait_for("document.querySelector('#ends').innerText.includes('refused with HTTP 400')")
    assert serious_findings(page) == []
    page.evaluate("session.close()")
    page.wait_for("document.querySelector('#sessions').innerText.includes('No session runs here.')")
    page.click("#workers button")
    wait_for_button(page, "Undrain")
    page.wait_for(f"{STATE} === 'draining'")
    page.click("#workers button")
    wait_for_button(page, "Drain")
    assert page.trouble() == []


def test_quantiles_are_those_of_the_last_minutes(server: PageServer) -> None:
    page = server.open("/operator")
    found = page.run(
        """(async () => {
            const { Window, together } = await import("/static/figures.js");
            const counter = (count, sum, ...pairs) => ({ count, sum, buckets: Object.fromEntries(pairs) });
            const window = new Window();
            window.add(counter(100, 100, ["1", 100], ["2", 100], ["+Inf", 100]), 0);
            window.add(counter(104, 106, ["1", 102], ["2", 104], ["+Inf", 104]), 600_000);
            const first = [window.mean, window.quantile(0.5), window.quantile(1)];
            window.add(counter(1, 5, ["1", 0], ["2", 0], ["+Inf", 1]), 602_000);
            const again = [window.mean, window.quantile(0.5)];
            return [...first, ...again, new Window().mean, together([counter(1, 2), counter(3, 4)]).sum];
        })()"""
    )
    assert found == [1.5, 1, 2, 5, 2, None, 6]


def test_who_is_not_allowed_is_told_so(server: PageServer) -> None:
    page = server.open("/")
    page.evaluate("sessionStorage.clear()")
    message = page.run(
        """(async () => {
            const { eventsOf } = await import("/static/api.js");
            const error = { code: "forbidden", message: "the key has no scope admin" };
            const body = JSON.stringify({ error });
            globalThis.fetch = async () => new Response(body, { status: 403 });
            return eventsOf("/x").next().catch((error) => error.message);
        })()"""
    )
    assert message == "The key has no scope admin."

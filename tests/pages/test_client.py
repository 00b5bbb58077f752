"""The client for browsers keeps what it sends, goes on after a loss, and says why it was refused."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.documents import ROOT
from tests.support.page_server import PageServer

CLIENT: Final = "/static/dalston.js"
FAKE_SOCKET: Final = """
    globalThis.sockets = [];
    globalThis.WebSocket = class {
        static OPEN = 1;
        readyState = 1; bufferedAmount = 0; sent = [];
        constructor(url, protocols) { Object.assign(this, { url, protocols }); sockets.push(this); }
        send(frame) { this.sent.push(typeof frame === "string" ? frame : frame.length); }
        close(code) { this.closedWith = code; }
        hear(event) { this.onmessage({ data: JSON.stringify(event) }); }
    };
    globalThis.nextSocket = async (count) => {
        while (sockets.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
        return sockets.at(-1);
    };
"""


def in_page(server: PageServer, script: str) -> Any:
    """What the script returns in a page, to which the client's names are known."""
    page = server.open("/")
    names = "{ connect, LiveSession, SendBuffer, DalstonError }"
    body = f"const {names} = await import({json.dumps(CLIENT)});\n{script}"
    return page.run(f"(async () => {{ {body} }})()")


def test_a_buffer_goes_back_to_what_arrived(server: PageServer) -> None:
    found = in_page(
        server,
        """
        const buffer = new SendBuffer(100, 1);  // 100 bytes a second
        const frames = [new Uint8Array(40), "a", new Uint8Array(20)];
        const found = frames.map((frame) => buffer.append(frame));
        for (let n = 0; n < 3; n += 1) buffer.markSent();
        found.push(buffer.rewind(0.5, 1), buffer.peek().length, buffer.waitingSeconds);
        found.push(buffer.rewind(0.3, 0), buffer.peek().length, buffer.rewind(0.9, 0));
        found.push(buffer.append(new Uint8Array(71)), buffer.append(new Uint8Array(70)));
        return found;
        """,
    )
    assert found == [True, True, True, True, 10, 0.1, True, 10, False, False, True]


def test_a_buffer_forgets_what_is_final(server: PageServer) -> None:
    found = in_page(
        server,
        """
        const buffer = new SendBuffer(100, 60);
        for (let n = 0; n < 4; n += 1) { buffer.append(new Uint8Array(100)); buffer.markSent(); }
        buffer.append("end");
        buffer.trimBefore(2.5);
        const found = [buffer.rewind(1, 0), buffer.restart(), buffer.waitingSeconds];
        buffer.markSent(); buffer.markSent();
        return [...found, buffer.peek()];
        """,
    )
    assert found == [False, 2, 2, "end"]


def test_a_session_that_the_server_gave_up_is_begun_anew_without_a_gap(server: PageServer) -> None:
    found = in_page(
        server,
        FAKE_SOCKET
        + """
        globalThis.fetch = async () => new Response("{}", { status: 426 });
        const now = Date.now; let later = 0;
        Date.now = () => now() + later;
        const session = connect({ sample_rate: 100, language: "en" });
        const heard = [];
        session.on("*", (event) => heard.push([event.type, event.utterance ?? event.state, event.start]));
        const first = await nextSocket(1);
        first.onopen();
        first.hear({ type: "session.begin", seq: 1, session_id: "one", resume_token: "secret" });
        session.send(new Int16Array(100)); session.send(new Int16Array(100));
        first.hear({ type: "transcript.final", seq: 2, utterance: 1, text: "a", start: 0, end: 1 });
        first.onclose({ code: 1006 });
        const resuming = await nextSocket(2);
        later = 5_000;
        for (let n = 2; n < 5; n += 1) (await nextSocket(n)).onclose({ code: 1006 });
        const second = await nextSocket(5);
        second.onopen();
        second.hear({ type: "session.begin", seq: 1, session_id: "two" });
        session.end();
        second.hear({ type: "transcript.final", seq: 2, utterance: 1, text: "b", start: 0, end: 1 });
        second.hear({ type: "session.end", seq: 3, transcript: "b", reason: "client_end" });
        const { transcript } = await session.done;
        return { heard, transcript, resumed: resuming.url, began: second.url, sent: second.sent };
        """,
    )
    assert "resume=secret%3A2" in found["resumed"]
    assert "language=en" in found["began"]
    assert found["sent"] == [200, '{"type":"end"}']  # The second second: the first one's text is final.
    assert found["transcript"] == "a b"
    assert found["heard"] == [
        ["state", "open", None],
        ["session.begin", None, None],
        ["transcript.final", 1, 0],
        ["state", "lost", None],
        ["session.restarted", None, None],
        ["state", "open", None],
        ["session.begin", None, None],
        ["transcript.final", 2, 1],
        ["session.end", None, None],
        ["state", "ended", None],
    ]


def test_a_token_goes_as_a_sub_protocol(server: PageServer) -> None:
    found = in_page(
        server,
        FAKE_SOCKET
        + """
        connect({ token: async () => "T" });
        const socket = await nextSocket(1);
        return [socket.protocols, socket.url.includes("token")];
        """,
    )
    assert found == [["dalston", "token.T"], False]


def test_a_refusal_says_why(server: PageServer) -> None:
    found = in_page(
        server,
        """
        const error = await connect({ sample_rate: 1 }).done.catch((error) => error);
        return [error instanceof DalstonError, error.code, error.status, error.message];
        """,
    )
    message = "sample_rate must be a whole number from 8000 to 192000, not '1'"
    assert found == [True, "invalid_parameter", 400, message]


def test_the_package_for_npm_has_the_files_of_the_wheel(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm on this machine")
    for folder in ("clients/js", "gateway/pages/static"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    command = (npm, "pack", "--json", "--dry-run")
    done = subprocess.run(command, cwd=tmp_path / "clients/js", check=True, capture_output=True, text=True)
    about = json.loads(done.stdout[done.stdout.index("[") :])[0]
    packed = {file["path"] for file in about["files"]}
    client = {path.name for path in (ROOT / "gateway/pages/static").glob("dalston*")}
    assert packed == client | {"package.json", "README.md"}

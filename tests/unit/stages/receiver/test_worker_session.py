"""A session in the receiver: what its frames become, when it is not read, and how it ends."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import Any, cast

import numpy as np
import orjson
import pytest
import soundfile
from msgspec.structs import replace
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosedOK

from dalston_realtime.protocol.parameters import SessionConfig
from runtime.worker_link import VERSION, ClientPresence, OpenSession, ResumePoint, encode
from stages.messages import (
    Audio,
    AudioProcessed,
    Close,
    Configure,
    Flush,
    Frame,
    InputTimedOut,
    Message,
    Open,
    SessionFailed,
)
from stages.receiver.audio_intake import LEAST, SLICE
from stages.receiver.lag import CREDIT, LagLimits
from stages.receiver.opening import FROM_THE_START
from stages.receiver.pipeline import StagePipeline
from stages.receiver.worker_session import WorkerSession, WorkerSessionLimits
from tests.support.builders import ROUTE, text_end
from tests.support.managed_process import DEADLINE_S
from tests.support.recordings import recording
from tests.support.virtual_time import VirtualClock, pass_time, run_virtually

GONE = ConnectionClosedOK(None, None)
PATIENT = WorkerSessionLimits(idle_s=5, session_s=5)


class ScriptedSocket:
    """Gives the frames of a test, then nothing; keeps what is written."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[str | bytes | Exception] = asyncio.Queue()
        self.events: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None

    async def recv(self) -> str | bytes:
        frame = await self.frames.get()
        if isinstance(frame, Exception):
            raise frame
        return frame

    async def send(self, text: str) -> None:
        self.events.append(orjson.loads(text))

    async def close(self, code: int, reason: str) -> None:
        self.closed = code, reason

    async def wait_closed(self) -> None:
        await asyncio.Event().wait()


class FakePipeline:
    """Keeps what is sent; answers as the stages do: with begin, progress, and end."""

    def __init__(self, processes: bool) -> None:
        self.ends = True
        self.age_of_pass = 0.0
        self.sent: list[tuple[Message, bytes]] = []
        self.offered: list[Message] = []
        self.processes = processes
        self.news = asyncio.Condition()
        self.session: WorkerSession | None = None

    async def send(self, message: Message, payload: bytes = b"") -> None:
        self.sent.append((message, payload))
        async with self.news:
            self.news.notify_all()
        assert self.session is not None
        if isinstance(message, Open):
            self.session.handle_result(Frame("s", "session.begin"), b'{"type":"session.begin"}')
        if isinstance(message, Audio) and self.processes:
            self.session.handle_result(
                AudioProcessed(message.session, ROUTE, message.start + len(payload) // 2), b""
            )
        if isinstance(message, Close) and message.reason == "end" and self.ends:
            self.session.handle_result(Frame("s", "session.end"), b'{"type":"session.end"}')

    def pass_age(self, index: int) -> float:
        assert index == ROUTE[1]
        return self.age_of_pass

    def offer(self, message: Message) -> None:
        self.offered.append(message)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what is sent."""
        async with asyncio.timeout(DEADLINE_S), self.news:
            await self.news.wait_for(condition)

    @property
    def messages(self) -> list[Message]:
        return [message for message, _ in self.sent]

    @property
    def audio(self) -> bytes:
        return b"".join(payload for _, payload in self.sent)


class SessionBench:
    """A session on a socket and a pipeline that a test holds."""

    def __init__(
        self,
        config: SessionConfig,
        limits: WorkerSessionLimits,
        processes: bool,
        clock: VirtualClock,
        age_s: float,
        socket: ScriptedSocket | None = None,
        resume: ResumePoint = FROM_THE_START,
    ) -> None:
        self.socket, self.pipe = socket or ScriptedSocket(), FakePipeline(processes)
        self.backlog = False  # The frames of the test wait in the socket, and are no live client's.
        resume = replace(resume, age=age_s)
        asked = OpenSession(version=VERSION, session_id="s", link_id="", config=config, resume=resume)
        self.session = self.pipe.session = WorkerSession(
            cast(ServerConnection, self.socket),
            asked,
            ROUTE,
            cast(StagePipeline, self.pipe),
            limits,
            clock.nanoseconds,
            has_backlog=lambda: self.backlog and not self.socket.frames.empty(),
        )

    def frames(self, *frames: str | bytes | dict[str, Any] | Exception) -> None:
        for frame in frames:
            self.socket.frames.put_nowait(orjson.dumps(frame).decode() if isinstance(frame, dict) else frame)

    @property
    def told(self) -> list[dict[str, Any]]:
        """The events behind `session.begin`, without the gateway's progress."""
        begin, *rest = [event for event in self.socket.events if event["type"] != "progress"]
        assert begin == {"type": "session.begin"}
        return rest

    @property
    def closed(self) -> tuple[int, str] | None:
        return self.socket.closed


Act = Callable[[SessionBench], Awaitable[None]]


def serve(
    *frames: str | bytes | dict[str, Any] | Exception,
    config: SessionConfig | None = None,
    limits: WorkerSessionLimits = PATIENT,
    processes: bool = True,
    act: Act | None = None,
    age_s: float = 0.0,
    resume: ResumePoint = FROM_THE_START,
) -> SessionBench:
    """Serve a session to its end: its frames are there at once, then `act` does what it does."""

    async def run(clock: VirtualClock) -> SessionBench:
        bench = SessionBench(config or SessionConfig(), limits, processes, clock, age_s, resume=resume)
        bench.frames(*frames)
        async with asyncio.timeout(60):
            task = asyncio.create_task(bench.session.run())
            if act is not None:
                await act(bench)
            await task
        return bench

    return run_virtually(run)


END = {"type": "end"}
SECOND = bytes(range(250)) * 128  # 16,000 samples, no two slices alike


def kinds(bench: SessionBench) -> list[str]:
    """The types of what went into the pipeline; runs of audio count once."""
    names = [type(m).__name__ for m in bench.pipe.messages]
    return [n for n, before in zip(names, [None, *names], strict=False) if not n == before == "Audio"]


def test_a_session_is_opened_its_audio_sent_on_and_closed() -> None:
    bench = serve(SECOND, END)
    assert kinds(bench) == ["Open", "Audio", "Close"]
    assert bench.pipe.audio == SECOND
    (close,) = (m for m in bench.pipe.messages if isinstance(m, Close))
    assert (close.reason, close.received) == ("end", 16_000)
    assert [e["type"] for e in bench.told] == ["session.end"]
    assert bench.closed == (1000, "")


def test_audio_is_sliced_numbered_and_stamped() -> None:
    bench = serve(SECOND + SECOND[:7], END)
    audio = [(m, len(p)) for m, p in bench.pipe.sent if isinstance(m, Audio)]
    assert all(size <= SLICE for _, size in audio)
    at = 0
    for message, size in audio:
        assert message.start == at
        at += size // 2
        arrived, sent = message.stamps
        assert arrived <= sent
    assert at == 16_003  # half a sample is no sound


def test_tiny_frames_are_collected() -> None:
    pieces = [SECOND[at : at + 33] for at in range(0, 3_300, 33)]
    bench = serve(*pieces, END)
    assert bench.pipe.audio == SECOND[:3_300]
    sizes = [len(p) for m, p in bench.pipe.sent if isinstance(m, Audio)]
    assert all(size >= LEAST for size in sizes[:-1])


def test_what_the_text_says_of_a_silence_is_offered_to_the_vad() -> None:
    async def act(bench: SessionBench) -> None:
        bench.session.handle_result(text_end(7), b"")
        bench.frames(END)

    assert serve(SECOND, act=act).pipe.offered == [text_end(7)]


def test_what_the_client_declared_is_decoded() -> None:
    bench = serve(bytes([0xFF]) * 8_000, END, config=SessionConfig(encoding="mulaw", sample_rate=8_000))
    assert bench.pipe.audio == bytes(32_000)


APART = SessionConfig(channels=2, channel_mode="separate")


def heard(bench: SessionBench, channel: int) -> bytes:
    """The audio that went into the pipeline for one channel."""
    return b"".join(p for m, p in bench.pipe.sent if isinstance(m, Audio) and m.session == f"s {channel}")


def test_each_separate_channel_gets_its_own_audio_on_one_clock_and_every_command() -> None:
    frames = [SECOND[at : at + 1_001] for at in range(0, len(SECOND), 1_001)]
    bench = serve(
        *frames, {"type": "flush", "id": "f"}, {"type": "config", "language": "en"}, END, config=APART
    )
    both = np.frombuffer(SECOND, "<i2").reshape(-1, 2)
    assert [heard(bench, channel) for channel in (0, 1)] == [both[:, 0].tobytes(), both[:, 1].tobytes()]
    for kind in (Open, Flush, Configure, Close):
        assert [m.session for m in bench.pipe.messages if isinstance(m, kind)] == ["s 0", "s 1"]
    assert bench.session.intake.lag.received == 8_000


def test_a_channel_that_was_ahead_does_not_hear_again_what_was_final() -> None:
    left = ResumePoint(clock=1_000, replayed=0, utterance=3)
    resume = ResumePoint(clock=400, replayed=0, utterance=2, others=(left,))
    bench = serve(SECOND, END, config=APART, resume=resume)
    both = np.frombuffer(SECOND, "<i2").reshape(-1, 2)
    assert heard(bench, 0) == both[:, 0].tobytes()
    assert heard(bench, 1) == both[600:, 1].tobytes()
    ahead = [m.start for m in bench.pipe.messages if isinstance(m, Audio) and m.session == "s 1"]
    assert ahead[0] == 1_000
    assert bench.session.intake.lag.received == 400 + 8_000


def test_audio_counts_as_processed_once_all_channels_have_dealt_with_it() -> None:
    async def act(bench: SessionBench) -> None:
        await bench.pipe.until(lambda: bench.session.intake.lag.received >= 4_000)
        intake = bench.session.intake
        intake.on_processed("s 0", 4_000)
        assert intake.lag.processed == 0
        intake.on_processed("s 1", 3_000)
        assert intake.lag.processed == 3_000
        bench.frames(END)

    serve(SECOND[:16_000], config=APART, processes=False, act=act)


def test_controls_go_behind_the_audio_before_them() -> None:
    bench = serve(
        SECOND[:100],
        {"type": "flush", "id": "a"},
        SECOND[100:200],
        {"type": "config", "min_silence_ms": 700, "language": "en"},
        {"type": "keepalive"},
        {"type": "flush"},
        END,
    )
    assert kinds(bench) == ["Open", "Audio", "Flush", "Configure", "Audio", "Flush", "Close"]
    assert [m.flush_id for m in bench.pipe.messages if isinstance(m, Flush)] == ["a", ""]
    (changed,) = (m for m in bench.pipe.messages if isinstance(m, Configure))
    assert (changed.min_silence_ms, changed.language, changed.interim_results) == (700, "en", True)
    assert bench.pipe.audio == SECOND[:200]


CALL = SessionConfig(encoding="mulaw", sample_rate=8_000)
SAID = bytes(range(1, 251)) * 16  # half a second of a call


def received_before(bench: SessionBench, kind: type[Message]) -> int:
    """The samples that went into the pipeline before the first message of a kind."""
    first = next(at for at, m in enumerate(bench.pipe.messages) if isinstance(m, kind))
    return sum(len(payload) for _, payload in bench.pipe.sent[:first]) // 2


def test_nothing_of_a_call_is_held_behind_a_flush_and_the_clock_goes_on() -> None:
    bench = serve(SAID, {"type": "flush"}, SAID, {"type": "flush"}, {"type": "flush"}, SAID, END, config=CALL)
    assert kinds(bench) == ["Open", "Audio", "Flush", "Audio", "Flush", "Flush", "Audio", "Close"]
    assert received_before(bench, Flush) == 8_000
    audio = [(m.start, len(p) // 2) for m, p in bench.pipe.sent if isinstance(m, Audio)]
    assert [start for start, _ in audio] == [sum(n for _, n in audio[:at]) for at in range(len(audio))]
    assert received_before(bench, Close) == 24_000


def test_nothing_of_a_call_is_held_where_its_audio_stops_coming() -> None:
    async def stop(bench: SessionBench) -> None:
        await bench.pipe.until(lambda: timeouts(bench) == 1)
        bench.frames(END)

    bench = serve(SAID, config=CALL, act=stop)
    assert received_before(bench, InputTimedOut) == received_before(bench, Close) == 8_000


NESTED = '{"type":"config","language":' + "[" * 1_000 + "]" * 1_000 + "}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "[]",
        "1",
        "{}",
        '{"type": "stop"}',
        '{"type": ["end"]}',
        '{"type": "flush", "id": 7}',
        '{"type": "flush", "id": "\\ud800"}',
        '{"type": "flush", "id": "' + "x" * 201 + '"}',
        '{"type": "config", "min_silence_ms": 1}',
        '{"type": "config", "min_silence_ms": 500, "sample_rate": 8000}',
        '{"type": "config", "min_silence_ms": 500, "interim_result": false}',
        '{"type": "config", "language": null}',
        NESTED,
        "[" * 100_000,
        "x" * 70_000,
    ],
    ids=lambda text: text[:36],
)
def test_a_message_that_is_none_is_told_and_the_session_goes_on(text: str) -> None:
    bench = serve(text, SECOND, END)
    assert [(e["type"], e.get("code"), e.get("recoverable")) for e in bench.told] == [
        ("error", "invalid_message", True),
        ("session.end", None, None),
    ]
    assert bench.told[0]["message"]
    assert kinds(bench) == ["Open", "Audio", "Close"]
    assert bench.pipe.audio == SECOND
    assert bench.closed == (1000, "")


HEADER = b"RIFF\x24\x7d\0\0WAVEfmt "


def test_a_file_instead_of_samples_is_told_once_and_the_session_goes_on() -> None:
    bench = serve(HEADER[:5], HEADER[5:] + SECOND, HEADER, END)
    assert [(e["type"], e.get("code")) for e in bench.told] == [
        ("warning", "looks_like_container"),
        ("session.end", None),
    ]
    assert "like a WAV file, but encoding=pcm_s16le" in bench.told[0]["message"]
    assert bench.pipe.audio == HEADER + SECOND + HEADER


def test_a_compressed_stream_is_told_and_taken_as_silence() -> None:
    compressed = b"\x1a\x45\xdf\xa3" + np.random.default_rng(1).bytes(9_996)
    bench = serve(compressed, compressed, END)
    assert [e.get("code") for e in bench.told] == ["looks_like_container", None]
    assert bench.pipe.audio == bytes(20_000)


def test_telephone_audio_sent_as_16_bit_samples_is_told_once_and_taken_as_silence() -> None:
    out = io.BytesIO()
    soundfile.write(out, recording("beckett.wav")[:48_000], 16_000, format="RAW", subtype="ULAW")
    call = out.getvalue()
    bench = serve(*(call[at : at + 3_200] for at in range(0, len(call), 3_200)), END)
    assert [e.get("code") for e in bench.told] == ["looks_like_encoding", None]
    assert "encoding=mulaw" in bench.told[0]["message"]
    assert len(bench.pipe.audio) == len(call)
    assert bench.pipe.audio[:3_200] == call[:3_200]
    assert bench.pipe.audio[6_400:] == bytes(len(call) - 6_400)


def test_a_channel_of_opposite_phase_is_told_once_and_heard() -> None:
    one = np.round(recording("beckett.wav")[:48_000] * 30_000)
    stereo = np.stack([one, -one], axis=1).astype("<i2").tobytes()
    pieces = (stereo[at : at + 6_400] for at in range(0, len(stereo), 6_400))
    bench = serve(*pieces, END, config=SessionConfig(channels=2))
    assert [e.get("code") for e in bench.told] == ["opposite_phase", None]
    heard = np.frombuffer(bench.pipe.audio, "<i2")
    assert np.array_equal(heard[-16_000:], one[-16_000:])


def test_samples_are_told_nothing_of_files() -> None:
    assert [e["type"] for e in serve(SECOND, HEADER, END).told] == ["session.end"]


def test_a_client_that_leaves_is_forgotten() -> None:
    bench = serve(SECOND, GONE)
    assert kinds(bench) == ["Open", "Audio", "Close"]
    assert [m.reason for m in bench.pipe.messages if isinstance(m, Close)] == ["gone"]


def test_a_client_that_leaves_before_all_has_come_is_forgotten_behind_its_end() -> None:
    async def leave(bench: SessionBench) -> None:
        bench.pipe.ends = False
        bench.frames(END)
        await bench.pipe.until(lambda: any(isinstance(m, Close) for m in bench.pipe.messages))
        bench.session.writer.stop_writing()

    bench = serve(SECOND, act=leave)
    assert [m.reason for m in bench.pipe.messages if isinstance(m, Close)] == ["end", "gone"]


def test_a_client_that_says_nothing_is_told_that_it_was_idle() -> None:
    bench = serve(SECOND, limits=WorkerSessionLimits(idle_s=0.05, session_s=5))
    assert bench.closed == (4008, "idle_timeout")
    assert bench.told[-1]["code"] == "idle_timeout"
    assert [m.reason for m in bench.pipe.messages if isinstance(m, Close)] == ["gone"]


NO_SIGN = ({"type": "flush"}, {"type": "config", "min_silence_ms": 700}, "garbage", {"type": "x"}, b"")


@pytest.mark.parametrize("frame", NO_SIGN, ids=["flush", "config", "garbage", "unknown", "empty"])
def test_only_audio_and_keepalives_are_a_sign_that_somebody_is_there(frame: Any) -> None:
    async def talk(bench: SessionBench) -> None:
        while not bench.closed:
            bench.frames(frame)
            await pass_time(0.1)

    bench = serve(SECOND, limits=WorkerSessionLimits(idle_s=1, session_s=30), act=talk)
    assert bench.closed == (4008, "idle_timeout")


@pytest.mark.parametrize("frame", [SECOND[:640], {"type": "keepalive"}], ids=["audio", "keepalive"])
def test_audio_and_keepalives_hold_the_idle_timeout_off(frame: Any) -> None:
    async def talk(bench: SessionBench) -> None:
        for _ in range(40):
            bench.frames(frame)
            await pass_time(0.1)
        assert not bench.closed
        bench.frames(END)

    bench = serve(SECOND, limits=WorkerSessionLimits(idle_s=1, session_s=30), act=talk)
    assert bench.closed == (1000, "")


def test_a_client_that_is_away_is_not_idle_until_it_is_back() -> None:
    async def leave(bench: SessionBench) -> None:
        await pass_time(5)
        assert not bench.closed
        bench.frames(present(True))

    limits = WorkerSessionLimits(idle_s=1, session_s=30)
    assert serve(SECOND, present(False), limits=limits, act=leave).closed == (4008, "idle_timeout")


def timeouts(bench: SessionBench) -> int:
    return sum(isinstance(m, InputTimedOut) for m in bench.pipe.messages)


def present(yes: bool) -> str:
    return encode(ClientPresence(present=yes))


def test_audio_that_stops_coming_is_told_behind_all_of_it_and_the_session_goes_on() -> None:
    async def stop(bench: SessionBench) -> None:
        await bench.pipe.until(lambda: timeouts(bench) == 1)
        bench.frames(SECOND, END)

    bench = serve(SECOND + SECOND[:6], act=stop)
    assert kinds(bench) == ["Open", "Audio", "InputTimedOut", "Audio", "Close"]
    assert bench.pipe.audio == SECOND + SECOND[:6] + SECOND
    starts = [m.start for m in bench.pipe.messages if isinstance(m, Audio)]
    assert 16_003 in starts  # the same clock
    assert bench.closed == (1000, "")


@pytest.mark.parametrize("frame", [{"type": "keepalive"}, b""], ids=["keepalives", "empty frames"])
def test_what_is_no_audio_does_not_hold_up_the_time_out(frame: bytes | dict[str, Any]) -> None:
    async def stop(bench: SessionBench) -> None:
        for _ in range(200):
            bench.frames(frame)
            await pass_time(0.01)
            if timeouts(bench):
                break
        bench.frames(END)

    assert kinds(serve(SECOND, act=stop)) == ["Open", "Audio", "InputTimedOut", "Close"]


def test_a_client_that_is_away_stops_nothing_until_it_is_back() -> None:
    async def leave(bench: SessionBench) -> None:
        await pass_time(4)  # far beyond the time-out
        assert timeouts(bench) == 0
        bench.frames(present(True))
        await bench.pipe.until(lambda: timeouts(bench) == 1)
        bench.frames(END)

    bench = serve(SECOND, present(False), act=leave)
    assert kinds(bench) == ["Open", "Audio", "InputTimedOut", "Close"]
    assert [e["type"] for e in bench.told] == ["session.end"]


def test_audio_that_is_not_read_has_not_stopped() -> None:
    async def hold(bench: SessionBench) -> None:
        await bench.pipe.until(lambda: len(bench.pipe.audio) // 2 >= CREDIT)
        await pass_time(2)  # beyond the time-out
        assert timeouts(bench) == 0
        bench.session.handle_result(AudioProcessed("s", ROUTE, 10 * CREDIT), b"")
        await bench.pipe.until(lambda: timeouts(bench) == 1)
        bench.frames(END)

    bench = serve(*[SECOND] * 4, processes=False, act=hold)
    assert kinds(bench) == ["Open", "Audio", "InputTimedOut", "Close"]
    assert bench.pipe.audio == SECOND * 4


def test_a_change_of_the_silence_counts_for_the_wall_clock() -> None:
    async def change(bench: SessionBench) -> None:
        await pass_time(1.9)  # below 1,500 ms and the margin of 500 ms
        assert timeouts(bench) == 0
        await bench.pipe.until(lambda: timeouts(bench) == 1)
        bench.frames(END)

    serve(SECOND, {"type": "config", "min_silence_ms": 1_500}, act=change)


def test_while_nothing_arrives_the_lag_is_assessed_and_nothing_is_owed() -> None:
    async def wait(bench: SessionBench) -> None:
        await bench.pipe.until(lambda: len(bench.pipe.audio) >= len(SECOND))
        bench.session.intake.lag.debt = 4.0
        assert bench.session.lag_s >= 4.0
        await pass_time(0.3)  # in which nothing comes
        assert bench.session.intake.lag.debt == 0
        bench.frames(END)

    bench = serve(SECOND, act=wait)
    assert bench.session.lag_s == 0.0


def test_a_gateway_that_sends_audio_hears_that_its_worker_lives() -> None:
    def told(bench: SessionBench) -> list[float]:
        return [e["processed"] for e in bench.socket.events if e["type"] == "progress"]

    async def hold(bench: SessionBench) -> None:
        await bench.pipe.until(lambda: len(bench.pipe.audio) // 2 >= CREDIT)
        for _ in range(3):  # nothing is processed and nothing is read
            bench.session.report_alive()
        bench.session.handle_result(AudioProcessed("s", ROUTE, 10 * CREDIT), b"")
        await bench.pipe.until(lambda: len(bench.pipe.audio) == 4 * len(SECOND))
        await asyncio.sleep(0)
        bench.session.report_alive()
        for _ in range(3):  # all that came is answered, and nothing waits
            bench.session.report_alive()
        bench.frames(END)

    bench = serve(*[SECOND] * 4, processes=False, act=hold)
    assert told(bench) == [0.0, 0.0, 0.0, 20.0, 20.0]


def test_a_session_has_a_longest_duration() -> None:
    bench = serve(SECOND, limits=WorkerSessionLimits(idle_s=5, session_s=0.05))
    assert bench.closed == (4009, "session_too_long")
    assert bench.told[-1]["code"] == "session_too_long"


def test_what_it_lasted_at_other_workers_counts() -> None:
    bench = serve(SECOND, limits=WorkerSessionLimits(idle_s=5, session_s=100), age_s=100.5)
    assert bench.closed == (4009, "session_too_long")
    assert "maximum of 100 s" in bench.told[-1]["message"]


def test_a_failure_in_the_pipeline_ends_it_behind_its_frames() -> None:
    async def fail(bench: SessionBench) -> None:
        await bench.pipe.until(lambda: bool(bench.pipe.sent))
        bench.session.handle_result(Frame("s", "error"), b'{"type":"error","code":"no_capacity"}')
        bench.session.handle_result(SessionFailed("s", ROUTE, "no_capacity", "no model"), b"")

    bench = serve(SECOND, act=fail)
    assert [e["code"] for e in bench.told] == ["no_capacity"]
    assert bench.closed == (4503, "no_capacity")
    assert [m.reason for m in bench.pipe.messages if isinstance(m, Close)] == ["gone"]


def test_what_is_sent_faster_than_it_is_processed_is_not_read() -> None:
    async def progress(bench: SessionBench) -> None:
        def sent() -> int:
            return len(bench.pipe.audio) // 2

        await bench.pipe.until(lambda: sent() >= CREDIT)
        assert sent() < CREDIT + SLICE
        assert bench.session.intake.lag.received == sent()
        waiting = bench.socket.frames.qsize()
        assert waiting > 4
        bench.session.handle_result(AudioProcessed("s", ROUTE, CREDIT), b"")
        await bench.pipe.until(lambda: sent() >= 2 * CREDIT)
        assert sent() < 2 * CREDIT + SLICE
        assert bench.socket.frames.qsize() < waiting
        bench.session.handle_result(AudioProcessed("s", ROUTE, 10 * CREDIT), b"")

    bench = serve(*[SECOND] * 12, END, processes=False, act=progress)
    assert bench.pipe.audio == SECOND * 12
    assert bench.closed == (1000, "")
    assert [e["type"] for e in bench.told] == ["session.end"]  # a fast client is not warned


def test_results_that_fall_behind_are_warned_about_and_then_end_it() -> None:
    limits = WorkerSessionLimits(5, 5, LagLimits(warn=0.1, end=2.3, end_after=0.2))
    bench = serve(*[SECOND] * 3, limits=limits, processes=False)
    assert bench.told[0]["type"] == "warning"
    assert bench.told[0]["code"] == "processing_lag"
    assert set(bench.told[0]) == {"type", "code", "message", "lag", "received", "processed"}
    assert bench.told[-1]["code"] == "lag_exceeded"
    assert bench.closed == (4010, "lag_exceeded")


def test_a_session_that_is_late_because_of_one_long_forward_pass_is_not_ended() -> None:
    async def go_on(bench: SessionBench) -> None:
        bench.pipe.age_of_pass = 4.0
        await pass_time(4.0)
        assert bench.told
        assert {event["code"] for event in bench.told} == {"processing_lag"}
        bench.pipe.age_of_pass = 0.0

    limits = WorkerSessionLimits(9, 9, LagLimits(warn=0.1, end=2.3, end_after=0.2))
    bench = serve(*[SECOND] * 3, limits=limits, processes=False, act=go_on)
    assert bench.closed == (4010, "lag_exceeded")


def test_a_lag_that_grows_over_many_long_forward_passes_ends_the_session() -> None:
    async def go_on(bench: SessionBench) -> None:
        bench.pipe.age_of_pass = 4.0  # One follows the other.
        while not bench.closed:
            await pass_time(0.5)
            assert bench.session.lag_s < 4.0 + 2.3 + 1.0

    limits = WorkerSessionLimits(60, 60, LagLimits(warn=0.1, end=2.3, end_after=0.2))
    bench = serve(*[SECOND] * 3, limits=limits, processes=False, act=go_on)
    assert bench.closed == (4010, "lag_exceeded")


class SlowSocket(ScriptedSocket):
    """A socket of a process that gets little CPU: reading takes long, although a frame is there."""

    async def recv(self) -> str | bytes:
        await pass_time(0.01)
        return await super().recv()


@pytest.mark.parametrize(("waits", "code"), [(True, 4010), (False, 1000)], ids=["it waited", "it came then"])
def test_the_lag_is_seen_where_the_process_has_too_little_cpu_to_read_at_once(waits: bool, code: int) -> None:
    """The pipeline takes half a second of audio in each second of a client that speaks live."""

    async def main(clock: VirtualClock) -> SessionBench:
        limits = WorkerSessionLimits(60, 60, LagLimits())
        bench = SessionBench(SessionConfig(), limits, False, clock, 0.0, SlowSocket())
        bench.backlog = waits
        bench.frames(*[SECOND[:3_200]] * 300, END)
        async with asyncio.timeout(120):
            task = asyncio.create_task(bench.session.run())
            done = 0
            while not task.done():
                await pass_time(0.1)
                done = min(done + 800, bench.session.intake.lag.received)
                bench.session.intake.on_processed("s", done)
            await task
        return bench

    bench = run_virtually(main)
    assert bench.closed is not None
    assert bench.closed[0] == code

"""A gateway sends the trace of each session to a collector, and the client sees nothing of it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.fake_worker import WorkerVisit, fake_worker
from tests.support.gateway_process import Client, client, gateway_process, run, until
from tests.support.redis_fixture import RedisServer


@contextmanager
def collector() -> Iterator[tuple[str, list[Span]]]:
    """An OTLP collector: its URL, and the spans that it was sent."""
    spans: list[Span] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    spans.extend(scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1/traces", spans
        finally:
            server.shutdown()


async def timed(visit: WorkerVisit) -> None:
    """A worker that says where the time of its final went if it is asked to."""
    assert visit.request.config.timing
    await visit.begin()
    await visit.event("transcript.final", utterance=1, text="a word", timing={"vad": 2.0, "asr": 40.0})
    await visit.event("session.end", audio_duration=0.0, transcript="a word", segments=[])


async def whole_session(me: Client) -> str:
    """The id of a session that has one final."""
    begin = await me.event("session.begin")
    assert "timing" not in await me.event("transcript.final")
    await me.event("session.end")
    return str(begin["session_id"])


def test_a_session_is_a_trace_with_its_id(shared_redis: RedisServer) -> None:
    with collector() as (url, spans):
        with gateway_process(shared_redis.url, traces_url=url, traces_share="1") as gateway:

            async def main() -> str:
                async with fake_worker(shared_redis.url, timed), client(gateway) as me:
                    session_id = await whole_session(me)

                    async def is_there() -> bool:
                        return any(span.name == "session" for span in spans)

                    await until(is_there)
                    return session_id

            session_id = run(main())
        assert {span.trace_id.hex() for span in spans} == {session_id}
        assert sorted(span.name for span in spans) == ["asr", "final", "gateway", "session", "slot", "vad"]
        session = next(span for span in spans if span.name == "session")
        attributes = {each.key: each.value.string_value for each in session.attributes}
        assert attributes["outcome"] == "normal"
        assert attributes["worker"] == "worker-1"


def test_without_the_collector_sessions_go_on(shared_redis: RedisServer) -> None:
    nobody = "http://127.0.0.1:9/v1/traces"
    with gateway_process(shared_redis.url, traces_url=nobody, traces_share="1") as gateway:

        async def main() -> None:
            async with fake_worker(shared_redis.url, timed), client(gateway) as me:
                assert await whole_session(me)

        run(main())
        assert gateway.get("/healthz").status_code == 200

"""Answers the calls of Riva clients: streams, whole recordings, and the question which models there are."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeAlias

import grpc

from broker.errors import RegistryUnavailable
from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.errors import InvalidParameter
from gateway.auth.errors import RequestRefused
from gateway.auth.principal import Principal
from gateway.realtime.connection_count import FULL
from gateway.realtime.listener import ListenerParts
from gateway.realtime.riva.answers import config_response, recognize_response
from gateway.realtime.riva.calls import REFUSALS, STATUSES, Context, check_end, parse, receive, request_of
from gateway.realtime.riva.parameters import ignored_flags, session_config
from gateway.realtime.riva.proto import SERVICE, ConfigRequest, RecognizeRequest
from gateway.realtime.riva.recording import without_header
from gateway.realtime.riva.stream import RivaRecognition, RivaStream
from gateway.sessions.port import SessionPort
from runtime.errors import SessionError
from runtime.logs import get_logger

log = get_logger(__name__)

Handler: TypeAlias = Callable[[bytes, Context, Principal], Awaitable[bytes | None]]
Method: TypeAlias = Callable[[bytes, Context], Awaitable[bytes | None]]

LIST: Final = "GetRivaSpeechRecognitionConfig"
DIALECT: Final = "riva"  # The name in metrics and logs.


class RivaService:
    """The calls of a gateway's clients; each is refused, or served to its end, by a status of gRPC."""

    def __init__(self, parts: ListenerParts, host: str) -> None:
        """`host` is the address that clients come to."""
        self._parts, self._host = parts, host

    @property
    def handlers(self) -> grpc.GenericRpcHandler:
        """What the gRPC server calls; messages are bytes, so that we say what is wrong with bad ones."""
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.stream_stream_rpc_method_handler
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "StreamingRecognize": stream(self._guard("StreamingRecognize", self._stream)),
                "Recognize": unary(self._guard("Recognize", self._recognize)),
                LIST: unary(self._guard(LIST, self._list_models)),
            },
        )

    def _guard(self, name: str, handler: Handler) -> Method:
        """The handler for clients that may call it; what goes wrong in it becomes a status."""

        async def guarded(request: bytes, context: Context) -> bytes | None:
            status, message = grpc.StatusCode.INTERNAL, "a fault of the server"
            try:
                asked = request_of(context, name, self._host)
                principal = await self._parts.guard.admit(asked, "transcribe")
                return await handler(request, context, principal)
            except RequestRefused as refused:
                status, message = REFUSALS[refused.status], refused.message
            except InvalidParameter as error:
                status, message = grpc.StatusCode.INVALID_ARGUMENT, error.message
            except SessionError as error:
                status, message = STATUSES[error.code], error.message
            except grpc.aio.BaseError as error:
                log.info("lost its client", why=str(error))
            except Exception:
                log.exception("a fault of ours")
            await context.abort(status, message)
            return None

        return guarded

    async def _stream(self, _requests: Any, context: Context, principal: Principal) -> None:
        with self._counted():
            first = await self._first(context)
            asked, number = first.streaming_config, first.id.value
            port = await self._begin(principal, asked.config, interim_results=asked.interim_results)
            send = partial(_send, context)
            stream = RivaStream(port, self._parts.times.flush, partial(receive, context), send, number)
            check_end(await stream.run())

    async def _first(self, context: Context) -> Any:
        try:
            async with asyncio.timeout(self._parts.times.request):
                first = await receive(context)
        except TimeoutError:
            raise SessionError(CloseCode.IDLE_TIMEOUT, "no configuration came") from None
        if first is None or not first.HasField("streaming_config"):
            raise SessionError(CloseCode.INVALID_REQUEST, "the first message must be the configuration")
        return first

    async def _recognize(self, data: bytes, _context: Context, principal: Principal) -> bytes:
        request = parse(RecognizeRequest, data)
        config, audio = without_header(request.config, request.audio)
        with self._counted():
            port = await self._begin(principal, config, interim_results=False)
            recognition = RivaRecognition(port, self._parts.times.flush, audio)
            check_end(await recognition.run())
        response = recognize_response(recognition.finals)
        response.id.value = request.id.value
        return bytes(response.SerializeToString())

    async def _list_models(self, data: bytes, _context: Context, _principal: Principal) -> bytes:
        asked = parse(ConfigRequest, data).model_name
        try:
            snapshot = await self._parts.directory.get()
        except RegistryUnavailable as error:
            raise SessionError(CloseCode.NO_CAPACITY, str(error)) from None
        models = [model for model, _ in snapshot.models() if not asked or model.answers_to(asked)]
        return bytes(config_response(models).SerializeToString())

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count a connection, if there may be one more."""
        if self._parts.connections.is_full:
            raise SessionError(CloseCode.NO_CAPACITY, FULL)
        self._parts.metrics.dialects.labels(DIALECT).inc()
        with self._parts.connections.counted():
            yield

    async def _begin(self, principal: Principal, asked: Any, *, interim_results: bool) -> SessionPort:
        config = await self._parts.gate.admit(session_config(asked, interim_results=interim_results))
        self._parts.note_ignored(DIALECT, ignored_flags(asked))
        return self._parts.gate.begin(config, principal, await self._parts.gate.reserve(principal))


async def _send(context: Context, response: Any) -> None:
    await context.write(response.SerializeToString())

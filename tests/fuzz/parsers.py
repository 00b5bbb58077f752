"""Gives bytes to each parser of what others send; only the error that a parser documents may come of them."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from broker.checkpoint_record import HEADER, BadCheckpoint, decode_checkpoint
from broker.records import read_worker
from dalston_realtime.protocol.commands import BadCommand, ConfigCommand
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.events import BadEvent, decode_event, encode_event
from dalston_realtime.protocol.parameters import SessionConfig, apply_config, parse_query
from enhancement.cleanup.answers import find_json
from enhancement.webhooks.addresses import BadReceiver, check_url
from gateway.api.byte_range import RangeNotSatisfiable, read_range
from gateway.api.history_params import PageParams, page_query
from gateway.api.transcription_form import read_form
from gateway.auth.principal import LOCAL_USER
from gateway.auth.request_facts import is_loopback_host, is_loopback_origin
from gateway.realtime.admission import read_query
from gateway.realtime.dialects.deepgram import DeepgramDialect
from gateway.realtime.dialects.dialect import Dialect
from gateway.realtime.dialects.handshake import Handshake
from gateway.realtime.dialects.registered import DIALECTS
from gateway.realtime.resumption import parse_resume
from gateway.realtime.riva.calls import parse
from gateway.realtime.riva.parameters import session_config
from gateway.realtime.riva.proto import RecognizeRequest
from gateway.realtime.riva.recording import without_header
from gateway.realtime.wyoming.wire import MAX_LINE_BYTES, BadWyomingEvent, WyomingReader
from runtime.audio.compressed.errors import UnreadableStream
from runtime.audio.compressed.opus_packets import OpusPackets
from runtime.audio.container_sniffer import container_of
from runtime.errors import SessionError
from runtime.worker_link import BadLinkMessage, decode_gateway_message, decode_reply, decode_worker_message
from stages.codec import BadMessage, decode
from stages.receiver.opening import read_open
from storage.history.search_words import highlighted, search_words

QUERY: Final = (("encoding", "linear16"), ("sample_rate", "16000"))
WORKER: Final = {
    "status": "ready",
    "endpoint": "ws://w",
    "last_heartbeat": "",
    "heartbeat_ms": "1",
    "lag": "0",
}


def text_of(data: bytes) -> str:
    """The bytes as text."""
    return data.decode(errors="replace")


def pairs_of(text: str) -> list[tuple[str, str]]:
    """The names and values in a text such as `a=1&b=2`."""
    parts = (each.partition("=") for each in text.split("&"))
    return [(name, value) for name, _, value in parts]


def needed_by(dialect: Dialect) -> tuple[tuple[str, str], ...]:
    """The parameters without which a dialect refuses a request."""
    return QUERY if isinstance(dialect, DeepgramDialect) else ()


def control(data: bytes) -> None:
    """A message of a client of the native protocol, or of its gateway."""
    with suppress(BadCommand, InvalidParameter):
        message = decode_gateway_message(text_of(data))
        if isinstance(message, ConfigCommand):
            apply_config(SessionConfig(), message)


def query(data: bytes) -> None:
    """The query string of a client, natively and of each dialect."""
    with suppress(InvalidParameter):
        asked = read_query(data)
        parse_query(asked)
    for dialect in DIALECTS:
        with suppress(InvalidParameter):
            dialect.open(Handshake((*needed_by(dialect), *pairs_of(text_of(data)))))


def dialects(data: bytes) -> None:
    """Frames of clients of each dialect, with a line break between them."""
    for dialect in DIALECTS:
        opened = dialect.open(Handshake(needed_by(dialect)))
        begun = opened.begin(opened.config)
        for frame in data.split(b"\n"):
            list(begun.receive(frame.decode(errors="replace")))
            list(begun.receive(frame))


def worker_link(data: bytes) -> None:
    """A frame of a gateway or of a worker."""
    for read in (read_open, decode_reply, decode_worker_message):
        with suppress(BadLinkMessage):
            read(data)
    with suppress(BadEvent):
        event = decode_event(data)
        assert decode_event(encode_event(event)) == event


def stage_message(data: bytes) -> None:
    """The header of a message between stages."""
    with suppress(BadMessage):
        decode(data)


def redis(data: bytes) -> None:
    """What stands in Redis: the header of a checkpoint, and the models of a worker."""
    with suppress(BadCheckpoint):
        decode_checkpoint({HEADER: data})
    read_worker("w", WORKER | {"capacity": text_of(data[:4]), "models": text_of(data[4:])}, 0, True)


def wyoming(data: bytes) -> None:
    """The events of a Wyoming client."""

    async def read_all() -> None:
        stream = asyncio.StreamReader(limit=MAX_LINE_BYTES)
        stream.feed_data(data)
        stream.feed_eof()
        reader = WyomingReader(stream, 9.0)
        with suppress(BadWyomingEvent):
            while await reader.read_event(9.0) is not None:
                pass

    asyncio.run(read_all())


def riva(data: bytes) -> None:
    """A recording that a Riva client sends, as a message and as a WAV file in one."""
    with suppress(SessionError, InvalidParameter):
        request = parse(RecognizeRequest, data)
        config, _ = without_header(request.config, request.audio)
        session_config(config, interim_results=False)
    with suppress(InvalidParameter):
        without_header(RecognizeRequest().config, b"RIFF" + data)


def headers(data: bytes) -> None:
    """Texts that stand in headers and URLs of a request."""
    text = text_of(data)
    is_loopback_host(text)
    is_loopback_origin(text)
    with suppress(RangeNotSatisfiable):
        read_range(text, 100)
    with suppress(BadReceiver):
        check_url(text)
    with suppress(InvalidParameter):
        parse_resume(text, LOCAL_USER)


def history(data: bytes) -> None:
    """What a client asks of the history, and the form with which it sends a file."""
    text = text_of(data)
    for params in (PageParams(cursor=text), PageParams(begun_after=text), PageParams(search=text)):
        with suppress(InvalidParameter):
            page_query(params, "p")
    assert "".join(part.text for part in highlighted(text, search_words(text))) == text
    with suppress(InvalidParameter):
        read_form(pairs_of(text))


def answers(data: bytes) -> None:
    """An answer of a language model."""
    found = find_json(text_of(data), dict[str, Any])
    assert found is None or msgspec.json.encode(found)


def sound(data: bytes) -> None:
    """Compressed audio: the first bytes of a container, and packets of Opus."""
    container_of(data)
    packets = OpusPackets(1, 0)
    with suppress(UnreadableStream):
        for at in range(0, len(data), 40):
            packets.decode(data[at : at + 40])


PARSERS: Final[Sequence[Callable[[bytes], None]]] = (
    *(control, query, dialects, worker_link, stage_message, redis, wyoming, riva, headers, history, answers),
    sound,
)

SEEDS: Final[Sequence[bytes]] = (
    b'{"type":"config","min_silence_ms":300,"language":"en-US"}',
    b'language=en&model=fast&keyterm=a&eot_threshold=0.7&audio_format=pcm_16000&vocabulary=["a"]',
    b'{"type":"Configure","thresholds":{"eot_threshold":0.6},"keyterms":["a"]}\n{"event":"start","start":{}}',
    b'{"type":"session.update","session":{"audio":{"input":{"turn_detection":null,"format":{"type":"audio/pcm"}}}}}',
    b'{"type":"open","version":2,"session_id":"s","link_id":"","config":{},"resume":{"clock":1,"replayed":2}}',
    b"\x93\x01\xa1s\x00",
    b'{"version":2,"principal":"p","token":"t","requested":{},"config":{},"first_frame":0,"ended":false}',
    b'{"type":"audio-chunk","data":{"rate":16000},"data_length":2,"payload_length":1}\n{}x',
    b",\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80>\0\0\0}\0\0\2\0\x10\0data\x04\0\0\0\0\0\0\0",
    b"http://[::1]:80/?bytes=0-9",
    b"2026-05-04T12:00:00Z&response_format=json&timestamp_granularities[]=word",
    b'Sure: {"utterances":[{"id":0,"text":"we go"}]}',
    b"\xfc\xff\xfe" * 20,
)
"""What is nearly right, from which atheris makes more."""


def parse_any(data: bytes) -> None:
    """Give the bytes behind the first one to the parser that it names."""
    if data:
        PARSERS[data[0] % len(PARSERS)](data[1:])

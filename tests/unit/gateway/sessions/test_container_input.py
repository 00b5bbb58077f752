"""A container on its way into a session: nothing of it is lost or stored twice, whatever breaks."""

import asyncio

import pytest

from dalston_realtime.protocol.commands import EndCommand, FlushCommand
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.sessions.change_set import ChangeSet
from gateway.sessions.compressed_input import UNDECODABLE, decoded_config
from gateway.sessions.container_input import ContainerInput
from gateway.sessions.replay.replay_buffer import ReplayBuffer
from runtime.errors import SessionError
from tests.support.encoded_audio import container, late_mp4

WEBM = container("webm")
END = EndCommand()


class Bench:
    """A container's way into a replay buffer, which may be held up."""

    def __init__(self, known: bytes = b"") -> None:
        self.replay = ReplayBuffer(decoded_config(SessionConfig(encoding="container")), ChangeSet())
        self.replay.store_audio(known)
        self.stored = bytearray(known)
        self.warned: list[tuple[str, str]] = []
        self.room = asyncio.Event()
        self.room.set()
        self.input = ContainerInput(0, self.replay, self._feed, lambda *said: self.warned.append(said))

    async def _feed(self, samples: bytes) -> None:
        await self.room.wait()
        self.stored += samples

    async def send(self, data: bytes, size: int = 1_000) -> bytes:
        """Send a whole container; what is stored in the end."""
        for at in range(0, len(data), size):
            await self.input.receive(data[at : at + size])
        await self.input.settle_for(END)
        self.input.close()
        return bytes(self.stored)


def whole() -> bytes:
    async def main() -> bytes:
        return await Bench().send(WEBM)

    return asyncio.run(main())


def test_what_another_gateway_has_decoded_is_not_stored_again() -> None:
    expected = whole()

    async def main() -> bytes:
        return await Bench(expected[:20_002]).send(WEBM)

    assert asyncio.run(main()) == expected


def test_a_connection_that_breaks_while_a_piece_waits_loses_nothing() -> None:
    async def main() -> bytes:
        bench = Bench()
        bench.room.clear()
        receiving = asyncio.create_task(bench.input.receive(WEBM[:6_000]))
        await asyncio.sleep(0)
        receiving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await receiving
        assert bench.input.bytes_received == 6_000
        bench.room.set()
        return await bench.send(WEBM[6_000:])

    assert asyncio.run(main()) == whole()


def test_a_flush_comes_behind_all_that_is_decoded() -> None:
    async def main() -> None:
        bench = Bench()
        await bench.input.receive(WEBM[:6_000])
        before = len(bench.stored)
        await bench.input.settle_for(FlushCommand(id="f"))
        assert 0 < len(bench.stored) - before < 200  # What the resampler held back.
        bench.input.close()

    asyncio.run(main())


def test_a_stream_that_ends_before_anything_could_be_decoded_is_a_warning_and_else_an_error() -> None:
    async def main() -> None:
        bench = Bench()
        assert await bench.send(WEBM[:20]) == b""
        assert not bench.warned  # It breaks off, as any stream may.
        bench = Bench()
        assert await bench.send(b"no container") == b""
        ((code, message),) = bench.warned
        assert code == UNDECODABLE
        assert "encoding=pcm_s16le" in message
        bench = Bench()
        for _ in range(2):
            with pytest.raises(SessionError, match="faststart"):
                await bench.input.receive(late_mp4())
        bench.input.close()

    asyncio.run(main())


def test_what_comes_behind_the_end_of_the_container_is_said_once() -> None:
    ogg = container("ogg")

    async def main() -> list[tuple[str, str]]:
        bench = Bench()
        await bench.input.settle_for(END)  # Nothing came yet: no thread, nothing to end.
        await bench.input.receive(ogg)
        await bench.input.settle_for(END)
        for _ in range(2):
            await bench.input.receive(b"more")
        bench.input.close()
        return bench.warned

    assert [code for code, _ in asyncio.run(main())] == [UNDECODABLE]

"""The WebSocket connections of a gateway are counted and limited."""

import asyncio

from gateway.metrics import GatewayMetrics
from gateway.realtime.connection_count import ConnectionCount


def test_connections_are_counted_while_they_last() -> None:
    async def main() -> None:
        metrics = GatewayMetrics()
        connections = ConnectionCount(2, metrics)
        await connections.wait_empty()
        with connections.counted():
            assert not connections.is_full
            with connections.counted():
                assert connections.is_full
                assert b"dalston_gateway_connections 2.0" in metrics.scrape()
            waiting = asyncio.create_task(connections.wait_empty())
            await asyncio.sleep(0)
            assert not waiting.done()
        await waiting
        assert connections.open == 0

    asyncio.run(main())

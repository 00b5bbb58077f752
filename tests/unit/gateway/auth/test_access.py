"""A server that others could use does not start without a key, unless it is told to."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.auth.access import check_start, make_guard, run_access
from gateway.auth.key_directory import KeyDirectory
from gateway.settings import GatewaySettings
from runtime.errors import StartupError
from storage.api_keys.key_store import KeyStore
from storage.database import Database


def keys_of(database: Database) -> KeyDirectory:
    """The keys in a database."""
    return KeyDirectory(KeyStore(database), time.monotonic)


def start(folder: Path, *, key: bool = False, **settings: Any) -> None:
    """What a gateway does first."""
    database = Database(f"sqlite:///{folder / 'history.db'}")
    database.migrate()
    if key:
        KeyStore(database).create("first", ["admin"])
    read = GatewaySettings(data_dir=folder, **settings)
    try:
        asyncio.run(check_start(read, make_guard(read, keys_of(database)).authenticator))
    finally:
        database.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "a-host-name"])
def test_listening_elsewhere_needs_a_key(tmp_path: Path, host: str) -> None:
    with pytest.raises(StartupError) as refused:
        start(tmp_path, gateway_host=host)
    assert "dalston-rt keys create" in str(refused.value)
    assert "DALSTON_AUTH=off" in str(refused.value)
    start(tmp_path, gateway_host=host, auth="off")
    start(tmp_path, gateway_host=host, key=True)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_loopback_needs_none(tmp_path: Path, host: str) -> None:
    start(tmp_path, gateway_host=host)


def test_a_server_that_lets_everybody_in_warns_again_and_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        settings = GatewaySettings(data_dir=tmp_path, auth="off")
        guard = make_guard(settings, keys_of(Database(settings.database)))
        running = asyncio.create_task(run_access(settings, guard.authenticator, warn_s=0.0))
        while caplog.text.count("DALSTON_AUTH=off") < 2:
            await asyncio.sleep(0)
        running.cancel()

    asyncio.run(main())


def test_proxies_are_addresses_and_networks() -> None:
    read = GatewaySettings(trusted_proxies="10.0.0.0/8, ::1")
    assert [str(each) for each in read.trusted_proxies] == ["10.0.0.0/8", "::1/128"]
    assert GatewaySettings().trusted_proxies == ()

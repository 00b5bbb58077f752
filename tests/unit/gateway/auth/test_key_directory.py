"""When keys were used last is written seldom, and not lost while the database is away."""

import asyncio

from tests.support.auth_parts import MemoryKeys, key_directory


def test_the_last_use_is_written_once_and_later_where_the_database_is_away() -> None:
    keys = MemoryKeys()
    key, secret = keys.create()

    async def use() -> None:
        directory = key_directory(keys)
        assert await directory.find(secret) is not None
        assert keys.used == {}
        keys.trouble = "away"
        await directory.write_use()
        assert keys.used == {}
        keys.trouble = ""
        await directory.write_use()
        assert set(keys.used) == {key.id}
        keys.used.clear()
        await directory.write_use()
        assert keys.used == {}

    asyncio.run(use())

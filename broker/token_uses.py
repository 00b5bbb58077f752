"""Counts in Redis how often each short-lived token was used, for all gateways together."""

import secrets

from broker.store.scripts import Scripts


class TokenUses:
    """The uses of tokens in one Redis."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    async def count(self, token_id: str, most: int, ttl_s: float) -> bool:
        """Count one use; False where the token was used `most` times. The count is kept for `ttl_s` seconds.

        Raises:
            RegistryUnavailable: Redis is away; the use may have been counted.
        """
        use = secrets.token_hex(8)
        return bool(await self._scripts.run("token_use", token_id, use, most, max(1, int(ttl_s * 1000))))

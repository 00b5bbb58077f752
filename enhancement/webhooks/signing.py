"""Signs webhooks as the Standard Webhooks specification says (https://www.standardwebhooks.com).

The receiver computes the same over the headers and the raw body, compares, and refuses old timestamps.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Final

PREFIX: Final = "whsec_"  # Before a secret that is written in base64, as other tools show it.


def signed_headers(event_id: str, timestamp: int, body: bytes, secret: str | None) -> dict[str, str]:
    """The headers of a webhook sent at `timestamp` (seconds since 1970), unsigned without a secret."""
    headers = {
        "Content-Type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
    }
    if secret:
        headers["webhook-signature"] = f"v1,{signature(event_id, timestamp, body, secret)}"
    return headers


def signature(event_id: str, timestamp: int, body: bytes, secret: str) -> str:
    """HMAC-SHA256 over `id.timestamp.body`, in base64."""
    message = f"{event_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.digest(_key(secret), message, hashlib.sha256)).decode()


def _key(secret: str) -> bytes:
    if secret.startswith(PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            pass  # It only looks like one: then its letters are the key.
    return secret.encode()

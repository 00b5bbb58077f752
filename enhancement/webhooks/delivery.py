"""Delivers webhooks: each until its receiver has said that it has it, or a day is over."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import httpx

from enhancement.webhooks.addresses import BadReceiver, find_receiver
from enhancement.webhooks.signing import signed_headers
from runtime.logs import get_logger
from storage.jobs.webhooks import DueWebhook
from storage.times import utc_now

log = get_logger(__name__)

TIMEOUT_S: Final = 10.0  # Seconds until a receiver must have answered; the status is all that is read.
AT_ONCE: Final = 8  # Receivers that are written to at the same time: a slow one holds up few others.
WAITS: Final = (
    5.0,
    30.0,
    120.0,
    600.0,
    1_800.0,
    3_600.0,
)  # Seconds between attempts; the last one repeats.
GIVE_UP: Final = timedelta(hours=24)  # From the event on.


class WebhookRecords(Protocol):
    """What is to be delivered; `storage.jobs.webhooks` has it."""

    def due(self, now: datetime | None = None) -> list[DueWebhook]:
        """The webhooks to deliver now."""
        ...

    def delivered(self, event_id: str) -> None:
        """It is delivered."""
        ...

    def failed(self, event_id: str, error: str, next_at: datetime | None) -> None:
        """It could not be delivered, and is tried again at `next_at`; None: not again."""
        ...


class DeliveryFailed(Exception):
    """A receiver does not have a webhook; the message says why."""


@dataclass(frozen=True, slots=True)
class WebhookPolicy:
    """The secret that signs, whether receivers may be in the private network, and seconds of patience."""

    secret: str | None = None
    private: bool = False
    timeout: float = TIMEOUT_S


class WebhookDelivery:
    """Sends what is due."""

    def __init__(
        self,
        records: WebhookRecords,
        policy: WebhookPolicy,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._records, self._policy, self._now = records, policy, now

    def deliver_due(self) -> int:
        """Try all that is due once; how many were delivered. Blocks.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        due = self._records.due(self._now())
        outcomes = asyncio.run(self._send_all(due)) if due else []
        for webhook, error in zip(due, outcomes, strict=True):
            if error is None:
                self._records.delivered(webhook.event_id)
            else:
                self._put_off(webhook, str(error), give_up=isinstance(error, BadReceiver) and error.is_final)
        return outcomes.count(None)

    async def _send_all(self, due: Sequence[DueWebhook]) -> list[Exception | None]:
        """Why each could not be delivered, None where it was."""
        free = asyncio.Semaphore(AT_ONCE)
        # Proxies of the environment would be asked for addresses that nobody has judged.
        async with httpx.AsyncClient(
            timeout=self._policy.timeout, follow_redirects=False, trust_env=False
        ) as http:

            async def attempt(webhook: DueWebhook) -> Exception | None:
                async with free:
                    try:
                        async with asyncio.timeout(self._policy.timeout):
                            await self._send(http, webhook)
                    except (BadReceiver, DeliveryFailed) as error:
                        return error
                    except TimeoutError:
                        return DeliveryFailed(f"no answer within {self._policy.timeout:g} s")
                    return None

            return await asyncio.gather(*map(attempt, due))

    async def _send(self, http: httpx.AsyncClient, webhook: DueWebhook) -> None:
        receiver = await asyncio.to_thread(find_receiver, webhook.url, private=self._policy.private)
        body = webhook.body.encode()
        headers = signed_headers(webhook.event_id, int(time.time()), body, self._policy.secret)
        request = http.build_request(
            "POST",
            receiver.url,
            content=body,
            headers=headers | {"Host": receiver.host_header},
            extensions={"sni_hostname": receiver.host, "timeout": http.timeout.as_dict()},
        )
        try:
            # The body of the answer is not read: it may have no end.
            response = await http.send(request, stream=True)
            await response.aclose()
        except httpx.HTTPError as error:
            raise DeliveryFailed(f"{receiver.host}: {error or type(error).__name__}") from None
        if not response.is_success:
            raise DeliveryFailed(f"{receiver.host} answered {response.status_code}")

    def _put_off(self, webhook: DueWebhook, error: str, *, give_up: bool = False) -> None:
        now = self._now()
        wait = timedelta(seconds=WAITS[min(webhook.attempts, len(WAITS) - 1)])
        if give_up or now + wait - webhook.created_at > GIVE_UP:
            log.error("a webhook is given up: %s", error, webhook=webhook.event_id, kind=webhook.kind)
            self._records.failed(webhook.event_id, error, None)
            return
        log.warning("a webhook is tried again: %s", error, webhook=webhook.event_id, kind=webhook.kind)
        self._records.failed(webhook.event_id, error, now + wait)

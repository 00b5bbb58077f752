"""Tells the receiver of webhooks what has ended, in a thread: a slow receiver holds up no job."""

import threading
from collections.abc import Callable
from typing import Final

from enhancement.settings import EnhancerSettings
from enhancement.webhooks.addresses import BadReceiver, check_url
from enhancement.webhooks.delivery import WebhookDelivery, WebhookPolicy
from runtime.errors import StartupError
from runtime.logs import get_logger
from storage.database import Database, DatabaseUnavailable
from storage.jobs.webhook_events import WebhookEvents
from storage.jobs.webhooks import WebhookStore

log = get_logger(__name__)

LOOK_S: Final = 1.0  # Seconds between two looks for what has ended.


class WebhookSender:
    """Looks every second; any number of enhancers may have one: twice told is what a receiver must bear."""

    def __init__(self, collect: Callable[[], object], deliver: Callable[[], object]) -> None:
        """`collect` finds what has ended, and `deliver` tells what is not told yet."""
        self._collect, self._deliver = collect, deliver
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End; what is being told now may be told again after the next start."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            try:
                self._collect()
                self._deliver()
            except DatabaseUnavailable as error:
                log.debug("webhooks wait for the database: %s", error)
            except Exception:
                log.exception("webhooks go on after a fault of ours")


def make_webhooks(settings: EnhancerSettings, database: Database) -> WebhookSender | None:
    """What tells of ended sessions and jobs, where there is somebody to tell.

    Raises:
        StartupError: the URL can't be one's.
    """
    if settings.webhook_url is None:
        return None
    try:
        check_url(settings.webhook_url)
    except BadReceiver as error:
        raise StartupError(f"DALSTON_WEBHOOK_URL: {error}") from None
    policy = WebhookPolicy(settings.webhook_secret, settings.webhook_private)
    delivery = WebhookDelivery(WebhookStore(database), policy)
    return WebhookSender(WebhookEvents(database, settings.webhook_url).collect, delivery.deliver_due)

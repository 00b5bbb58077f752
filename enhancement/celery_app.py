"""Makes the Celery app, which carries the ids of jobs and nothing else.

What a job is, who has it and what became of it stands in the database: a message that is lost, late or there
twice changes nothing. So results, events and remote control are off.
"""

from typing import Any, Final

from celery import Celery
from kombu.entity import Queue
from kombu.exceptions import OperationalError

from enhancement.broker_url import CeleryBroker
from enhancement.dispatcher import QueueUnavailable

QUEUE: Final = "jobs"
TASK: Final = "dalston.enhance"
SEND_TIMEOUT_S: Final = 5.0  # Seconds to wait for a connection that others of this process use.
SEND_RETRIES: Final = {"max_retries": 1, "interval_start": 0.1}


def make_app(broker: CeleryBroker) -> Celery:
    """The app of one process."""
    app = Celery("dalston", broker=broker.url, set_as_current=False)
    app.conf.update(
        broker_transport_options=broker.options,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_queues=[Queue(QUEUE, routing_key=QUEUE)],  # type: ignore[no-untyped-call]
        task_default_queue=QUEUE,
        task_default_exchange=QUEUE,
        task_default_routing_key=QUEUE,
        task_serializer="json",
        accept_content=["json"],
        task_acks_late=True,
        task_reject_on_worker_lost=False,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        task_create_missing_queues=False,
    )
    return app


class JobQueue:
    """Celery's queue as the dispatcher sees it."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        connection = app.connection_for_write()
        self._errors: tuple[type[Exception], ...] = (
            OperationalError,
            OSError,
            *connection.connection_errors,
            *connection.channel_errors,
        )

    def send(self, job_id: str) -> None:
        """Put a job in.

        Raises:
            QueueUnavailable: the broker does not answer.
        """
        try:
            self._app.send_task(TASK, args=(job_id,), queue=QUEUE, retry_policy=SEND_RETRIES)
        except self._errors as error:
            raise QueueUnavailable(str(error) or type(error).__name__) from None

    def count(self) -> int:
        """The jobs that wait in it.

        Raises:
            QueueUnavailable: the broker does not answer.
        """
        try:
            with self._app.pool.acquire(block=True, timeout=SEND_TIMEOUT_S) as connection:
                connection.ensure_connection(max_retries=1, interval_start=0.1)
                channel: Any = connection.default_channel
                return int(channel.queue_declare(QUEUE, passive=False).message_count)
        except self._errors as error:
            raise QueueUnavailable(str(error) or type(error).__name__) from None

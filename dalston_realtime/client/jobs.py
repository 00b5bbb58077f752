"""Calls the REST endpoints of the batch pipeline's jobs: asks for one, waits for it, ends it, makes one."""

import asyncio
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

import msgspec

from dalston_realtime.client.errors import ProtocolError
from dalston_realtime.client.history import session_path
from dalston_realtime.client.rest import call
from dalston_realtime.client.url import DEFAULT_URL
from dalston_realtime.protocol.jobs import ENDED, BatchJob

JOBS: Final = "/v1/audio/transcriptions"
POLL_S: Final = 1.0  # Seconds between two looks at a job.


async def job(job_id: str, url: str = DEFAULT_URL) -> BatchJob:
    """A job as it is now, with its result once it is done.

    Raises:
        UnreachableError, RefusedError, ProtocolError, UsageError: as their names say.
    """
    return _job(await call("GET", url, _path(job_id)))


async def cancel(job_id: str, url: str = DEFAULT_URL) -> BatchJob:
    """End a job; one that has ended stays as it is.

    Raises:
        UnreachableError, RefusedError, ProtocolError, UsageError: as their names say.
    """
    return _job(await call("DELETE", url, _path(job_id)))


async def enhance(session_id: str, url: str = DEFAULT_URL) -> BatchJob:
    """Make a job of the recording of a session that is over.

    Raises:
        UnreachableError, RefusedError, ProtocolError, UsageError: as their names say.
    """
    return _job(await call("POST", url, f"{await session_path(url, session_id)}/enhance"))


async def wait(
    job_id: str, url: str = DEFAULT_URL, on_progress: Callable[[BatchJob], None] = lambda _: None
) -> BatchJob:
    """Wait until a job has ended; `on_progress` is called with each look at it.

    Raises:
        UnreachableError, RefusedError, ProtocolError, UsageError: as their names say.
    """
    while True:
        found = await job(job_id, url)
        on_progress(found)
        if found.status in ENDED:
            return found
        await asyncio.sleep(POLL_S)


def _path(job_id: str) -> str:
    return f"{JOBS}/{quote(job_id, safe='')}"


def _job(answer: Any) -> BatchJob:
    try:
        return msgspec.convert(answer, BatchJob)
    except msgspec.ValidationError as error:
        raise ProtocolError(f"the server did not answer with a job: {error}") from None

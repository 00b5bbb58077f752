"""Answers with a job of the batch pipeline, and with what is wrong with a request for one."""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.jobs import ENDED, Job
from gateway.api.upload import UploadTooLarge
from gateway.http import Reply, error_reply
from storage.database import DatabaseUnavailable
from storage.recordings.errors import StorageUnavailable

RETRY_AFTER_S: Final = 2  # Seconds after which a client may ask for its job again.
INVALID: Final = "invalid_request_error"  # The type that the clients of OpenAI know; ours read the code.

Handler = Callable[[Request], Awaitable[Response]]


class UnknownJob(Exception):
    """There is no such job."""


def job_reply(job: Job, status: int = 200) -> Reply:
    """The job, and when to ask again where it goes on."""
    reply = Reply(job, status)
    if job.status not in ENDED:
        reply.headers["Retry-After"] = str(RETRY_AFTER_S)
    return reply


def answered(handler: Handler) -> Handler:
    """The handler, with an answer for each thing that may be wrong."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except InvalidParameter as error:
            return error_reply(400, "invalid_parameter", error.message, param=error.param, type=INVALID)
        except UploadTooLarge:
            text = "the body has more bytes than DALSTON_MAX_UPLOAD_MB allows"
            return error_reply(413, "upload_too_large", text, type=INVALID)
        except UnknownJob:
            return error_reply(404, "unknown_job", "there is no such job", type=INVALID)
        except (DatabaseUnavailable, StorageUnavailable) as error:
            return error_reply(503, "jobs_unavailable", f"jobs can't be read or written now: {error}")

    return answer

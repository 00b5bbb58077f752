"""Answers requests for enrolled voices: who is recognized in recordings, and by which of them."""

import asyncio
import sys
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dalston_realtime.protocol.errors import InvalidParameter
from gateway.api.job_replies import INVALID, answered
from gateway.api.upload import UploadedForm, uploaded_form
from gateway.http import Reply, error_reply, unavailable_reply
from runtime.logs import get_logger
from storage.jobs.speakers import EnrolledSpeaker, SpeakerStore
from storage.tables import LOCAL
from storage.times import as_iso

log = get_logger(__name__)

SPEAKERS: Final = "/v1/speakers"
MAX_BYTES: Final = 64 << 20  # Bytes of a recording: a minute is enough, also in the largest format.
MAX_NAME: Final = 100  # Characters of a name, as many as the database keeps.
ENROLL_S: Final = 60.0  # Seconds for the model; it takes two or three on a machine without load.
AT_ONCE: Final = 2  # Recordings that are listened to at the same time.
COMMAND: Final = (sys.executable, "-m", "enhancement.enroll")


class _Answer(msgspec.Struct, frozen=True):
    """What the process says: an error, or the voice."""

    error: str | None = None
    embedding: tuple[float, ...] = ()
    model: str = ""
    seconds: float = 0.0


class SpeakerApi:
    """The endpoints of enrolled voices."""

    def __init__(self, speakers: SpeakerStore, command: tuple[str, ...] = COMMAND) -> None:
        """`command` is the process that listens to a recording."""
        self._speakers, self._command = speakers, command
        self._free = asyncio.Semaphore(AT_ONCE)

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route(SPEAKERS, answered(self.speakers)),
            Route(SPEAKERS, answered(self.enroll), methods=["POST"]),
            Route(SPEAKERS + "/{speaker_id}", answered(self.delete), methods=["DELETE"]),
        ]

    async def speakers(self, _request: Request) -> Response:
        """All of them, by their names."""
        found = await asyncio.to_thread(self._speakers.list, LOCAL)
        return Reply({"speakers": [_described(each) for each in found]})

    async def enroll(self, request: Request) -> Response:
        """Enrol the voice of the recording in a form, under the name in it. A person may have several."""
        async with uploaded_form(request, MAX_BYTES) as form:
            name = _name_in(form)
            try:
                answer = await self._listen(form)
            except TimeoutError:
                return unavailable_reply("busy", "the machine is too busy to listen to a recording", 5.0)
        if answer is None:
            return error_reply(500, "internal", "the recording could not be listened to; the log says why")
        if answer.error is not None:
            raise InvalidParameter("file", f"the voice can't be enrolled: {answer.error}")
        key = await asyncio.to_thread(self._speakers.add, LOCAL, name, answer.embedding, answer.model)
        body = {"speaker_id": key, "name": name, "model": answer.model, "speech_seconds": answer.seconds}
        return Reply(body, 201)

    async def delete(self, request: Request) -> Response:
        """Forget a voice."""
        key = request.path_params["speaker_id"]
        if not await asyncio.to_thread(self._speakers.delete, LOCAL, key[:100]):
            return error_reply(404, "unknown_speaker", "no such voice is enrolled", type=INVALID)
        return Reply({"speaker_id": key, "deleted": True})

    async def _listen(self, form: UploadedForm) -> _Answer | None:
        """What the process says of the file, None where it broke; raises TimeoutError."""
        data = await asyncio.to_thread(form.file.read)
        async with asyncio.timeout(ENROLL_S), self._free:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                said, trouble = await process.communicate(data)
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        try:
            return msgspec.json.decode(said, type=_Answer)
        except msgspec.MsgspecError:
            log.error("the process that listens to voices broke: %s", trouble.decode(errors="replace")[-500:])
            return None


def _name_in(form: UploadedForm) -> str:
    names = [" ".join(text.split()) for name, text in form.fields if name == "name"]
    if len(names) != 1 or not 0 < len(names[0]) <= MAX_NAME or not names[0].isprintable():
        raise InvalidParameter("name", f"the form needs one field name with 1 to {MAX_NAME} characters")
    return names[0]


def _described(speaker: EnrolledSpeaker) -> dict[str, Any]:
    return {
        "speaker_id": speaker.id,
        "name": speaker.name,
        "model": speaker.model,
        "created": as_iso(speaker.created_at),
    }

"""Answers requests for enrolled voices: who is recognized in recordings, and by which of them."""

import asyncio
import sys
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from dalston_realtime.protocol.errors import InvalidParameter
from gateway.api.jobs import AWAY
from gateway.api.operation import ApiError, operation
from gateway.api.upload import UploadedForm, uploaded_form
from gateway.auth.principal import Principal
from gateway.http import Reply, error_reply, unavailable_reply
from runtime.logs import get_logger
from storage.jobs.speakers import EnrolledSpeaker, SpeakerStore
from storage.times import as_iso

log = get_logger(__name__)

SPEAKERS: Final = "/v1/speakers"
MAX_BYTES: Final = 64 << 20  # Bytes of a recording: a minute is enough, also in the largest format.
MAX_NAME: Final = 100  # Characters of a name, as many as the database keeps.
ENROLL_S: Final = 60.0  # Seconds for the model; it takes two or three on a machine without load.
AT_ONCE: Final = 2  # Recordings that are listened to at the same time.
COMMAND: Final = (sys.executable, "-m", "enhancement.enroll")


UNKNOWN: Final = "no such voice is enrolled"

SpeakerId = Annotated[
    str,
    Meta(
        pattern="^spk_[0-9a-f]{32}$",
        description="the id of an enrolled voice",
        extra={"must_be": "the id of a voice: spk_ and 32 digits from 0 to f"},
    ),
]


class SpeakerForm(msgspec.Struct, frozen=True, kw_only=True):
    """The form: a recording of one person alone, with 3 s of speech or more, and what they are called."""

    file: Annotated[str, Meta(extra_json_schema={"format": "binary"})]
    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]


class SpeakerBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An enrolled voice; `model` names what its embedding is made by."""

    speaker_id: str
    name: str
    model: str
    created: str | None = None
    speech_seconds: float | None = None


class SpeakersBody(msgspec.Struct, frozen=True):
    """All enrolled voices."""

    speakers: list[SpeakerBody]


class ForgottenBody(msgspec.Struct, frozen=True):
    """A voice that is not known any more."""

    speaker_id: str
    deleted: bool


class _Listened(msgspec.Struct, frozen=True):
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

    @operation("GET", SPEAKERS, scope="history", errors={503: AWAY})
    async def speakers(self, principal: Principal) -> SpeakersBody:
        """All enrolled voices, by their names."""
        found = await asyncio.to_thread(self._speakers.list, principal.id)
        return SpeakersBody([_described(each) for each in found])

    @operation(
        "POST",
        SPEAKERS,
        scope="history",
        form=SpeakerForm,
        statuses={201: "the voice"},
        errors={
            400: "the form lacks something, or the recording can't enrol a voice",
            413: "the file is too large",
            500: "the recording could not be listened to",
            503: f"{AWAY}, or the machine is too busy",
        },
    )
    async def enroll(self, principal: Principal, request: Request) -> SpeakerBody | Response:
        """Enrol the voice of a recording under a name.

        A person may have several.
        """
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
        key = await asyncio.to_thread(self._speakers.add, principal.id, name, answer.embedding, answer.model)
        body = SpeakerBody(speaker_id=key, name=name, model=answer.model, speech_seconds=answer.seconds)
        return Reply(body, 201)

    @operation(
        "DELETE",
        SPEAKERS + "/{speaker_id}",
        scope="history",
        audited="delete_speaker",
        errors={404: UNKNOWN, 503: AWAY},
    )
    async def forget(self, principal: Principal, speaker_id: SpeakerId) -> ForgottenBody:
        """Forget a voice."""
        if not await asyncio.to_thread(self._speakers.delete, principal.id, speaker_id):
            raise ApiError(404, "unknown_speaker", UNKNOWN)
        return ForgottenBody(speaker_id, deleted=True)

    async def _listen(self, form: UploadedForm) -> _Listened | None:
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
            return msgspec.json.decode(said, type=_Listened)
        except msgspec.MsgspecError:
            log.error("the process that listens to voices broke: %s", trouble.decode(errors="replace")[-500:])
            return None


def _name_in(form: UploadedForm) -> str:
    names = [" ".join(text.split()) for name, text in form.fields if name == "name"]
    if len(names) != 1 or not 0 < len(names[0]) <= MAX_NAME or not names[0].isprintable():
        raise InvalidParameter("name", f"the form needs one field name with 1 to {MAX_NAME} characters")
    return names[0]


def _described(speaker: EnrolledSpeaker) -> SpeakerBody:
    return SpeakerBody(
        speaker_id=speaker.id, name=speaker.name, model=speaker.model, created=as_iso(speaker.created_at)
    )

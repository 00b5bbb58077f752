"""Makes the audio that all other stages hear, 16 kHz, of a session's recording or of an uploaded file."""

from typing import IO, Final

import numpy as np
import numpy.typing as npt

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Floats
from enhancement.artifacts import Prepared
from enhancement.audio_reader import FULL_SCALE, AudioReader
from enhancement.decoding import open_media_file
from enhancement.loudness import LoudnessMeter
from enhancement.stage_work import BadJobInput, NotReadyYet, StageResult, StageWork
from storage.jobs.files import create_file
from storage.recordings.errors import NoRecording
from storage.recordings.layout import AUDIO, session_folder
from storage.recordings.wav import HEADER_BYTES, BadWav, joined_format

GONE: Final = "the recording of the session is gone"
WAIT_S: Final = 2.0  # Seconds until a recording is looked for again that is not joined yet.
PATIENCE_S: Final = 600.0  # Seconds after its end for which a session's recording is waited for.


def run(work: StageWork) -> StageResult:
    """Measure a session's recording, or decode an uploaded file."""
    return StageResult(_prepare_upload(work) if work.session_id is None else _prepare_session(work))


def _prepare_session(work: StageWork) -> Prepared:
    """The session's own file is the audio: its channels are apart where they were live."""
    session = work.session
    if session is None:
        raise BadJobInput("the session is not kept any more")
    if session.over_s is None:
        raise NotReadyYet("the session runs", WAIT_S)
    key = f"{session_folder(session.id)}/{AUDIO}"
    try:
        reader = AudioReader(work.files.open(key))
    except NoRecording:
        if session.has_audio or session.over_s > PATIENCE_S:
            raise BadJobInput(GONE) from None
        raise NotReadyYet("the recording is not joined yet", WAIT_S) from None
    except BadWav:
        raise BadJobInput("the recording of the session is damaged") from None
    with reader:
        meter = LoudnessMeter()
        for done, block in enumerate(reader.blocks(), start=1):
            meter.append(block)
            work.report(100.0 * done * len(block) / max(1, reader.samples))
        return _prepared(key, reader.samples, meter, reader.channels)


def _prepare_upload(work: StageWork) -> Prepared:
    if work.input_key is None:
        raise BadJobInput("the uploaded file is gone")
    meter, samples = LoudnessMeter(), 0
    try:
        opened = work.files.open(work.input_key)
    except NoRecording:
        raise BadJobInput("the uploaded file is gone") from None
    form = joined_format(1)
    with opened, open_media_file(opened) as media, create_file(work.files, work.audio_key) as file:
        file.write(form.header(0))
        for block in media.blocks():
            file.write(_as_s16(block))
            meter.append(block)
            samples += len(block)
            work.report(media.percent)
        _complete_header(file, form.header(samples))
    return _prepared(work.audio_key, samples, meter, 1)


def _complete_header(file: IO[bytes], header: bytes) -> None:
    """Write the header with the length, where the store can go back; readers go by the size of the file."""
    assert len(header) == HEADER_BYTES
    try:
        file.seek(0)
    except (OSError, ValueError):
        return
    file.write(header)


def _as_s16(block: Floats) -> bytes:
    samples: npt.NDArray[np.int16] = np.clip(np.rint(block * FULL_SCALE), -32_768, 32_767).astype("<i2")
    return samples.tobytes()


def _prepared(key: str, samples: int, meter: LoudnessMeter, channels: int) -> Prepared:
    level = meter.level()
    return Prepared(
        audio_key=key,
        seconds=samples / SAMPLE_RATE,
        channels=channels,
        separate=channels > 1,
        loudness=None if level is None else round(level, 1),
        gain=round(meter.gain(), 4),
    )

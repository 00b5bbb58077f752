"""Parts of a session become one file: what the models hear, each sample at its time."""

import threading
import wave
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from dalston_realtime.protocol.audio import Encoding
from runtime.audio.audio_input import AudioInput
from storage.recordings import NoRecording, RecordingError, RecordingNotReady, Recordings
from storage.recordings.layout import SegmentName
from storage.recordings.session_writer import RecordedSession, SessionWriter
from storage.recordings.wav import HEADER_BYTES, WavFormat, read_header

ID = "5" * 32

PLAIN = WavFormat("pcm_s16le", 16_000, 1)


def noise(frames: int, form: WavFormat = PLAIN) -> bytes:
    random = np.random.default_rng(frames)
    if form.encoding == "pcm_f32le":
        return random.uniform(-1, 1, frames * form.channels).astype("<f4").tobytes()
    return random.bytes(frames * form.frame_bytes)


def no_loss(reason: str) -> None:
    raise AssertionError(reason)


def writer(
    folder: Path, form: WavFormat = PLAIN, name: str = "00000-aaaa", config: str = "{}"
) -> SessionWriter:
    first_line = f'{{"type":"recording","config":{config}}}'.encode()
    return SessionWriter(folder, RecordedSession(ID, name, form, first_line), 1.0, no_loss)


def samples(recordings: Recordings) -> bytes:
    with recordings.open_audio(ID) as file, wave.open(file) as audio:
        assert (audio.getframerate(), audio.getsampwidth()) == (16_000, 2)
        return bytes(audio.readframes(audio.getnframes()))


def test_a_session_that_another_writer_went_on_with_has_each_sample_once(tmp_path: Path) -> None:
    sound, recordings = noise(80_000), Recordings(str(tmp_path))
    first, second = writer(tmp_path), writer(tmp_path, name="00001-aaaa")
    for at in range(0, 48_000, 1_600):
        first.append_audio(at, sound[2 * at : 2 * at + 3_200])
    # The first one was killed: it closed nothing. The second one has what its checkpoint kept.
    for at in range(30_000, 80_000, 2_500):
        second.append_audio(at, sound[2 * at : 2 * at + 5_000])
    with pytest.raises(RecordingNotReady):
        recordings.open_audio(ID)
    second.close(ended=True)
    assert list(recordings.ended()) == [ID]
    joined = recordings.finish(ID)
    assert (joined.seconds, joined.missing) == (5.0, ())
    assert samples(recordings) == sound
    assert list(recordings.unfinished()) == []
    with pytest.raises(NoRecording):
        recordings.finish(ID)


def test_what_is_missing_is_silence_and_said_and_comes_later_all_the_same(tmp_path: Path) -> None:
    sound, recordings = noise(48_000), Recordings(str(tmp_path))
    first = writer(tmp_path)
    first.append_audio(0, sound[:32_000])
    first.append_audio(32_000, sound[64_000:])
    first.close(ended=True)
    joined = recordings.finish(ID)
    assert joined.missing == ((1.0, 2.0),)
    assert samples(recordings) == sound[:32_000] + bytes(32_000) + sound[64_000:]
    assert recordings.read_transcript(ID)["audio"]["missing"] == [[1.0, 2.0]]
    late = writer(tmp_path, name="00000-bbbb")
    late.append_audio(16_000, sound[32_000:64_000])
    late.close(ended=True)
    assert recordings.finish(ID).complete
    assert samples(recordings) == sound


@pytest.mark.parametrize("encoding", ["pcm_s16le", "pcm_f32le", "mulaw", "alaw"])
@pytest.mark.parametrize(
    ("rate", "channels"), [(8_000, 1), (11_025, 1), (16_000, 2), (44_100, 1), (48_000, 2)]
)
def test_a_recording_is_what_the_models_hear(
    tmp_path: Path, encoding: Encoding, rate: int, channels: int
) -> None:
    form, recordings = WavFormat(encoding, rate, channels), Recordings(str(tmp_path))
    frames = rate * 2 + 7
    sound = noise(frames, form)
    one = writer(tmp_path, form)
    one.append_audio(0, sound)
    one.close(ended=True)
    joined = recordings.finish(ID)
    heard = AudioInput(encoding, rate, channels)
    expected = heard.decode_bytes(sound) + heard.drain()
    assert samples(recordings) == expected
    assert joined.seconds == len(expected) / 32_000


def test_a_session_of_which_nothing_could_be_written_is_silence(tmp_path: Path) -> None:
    one, recordings = writer(tmp_path, config='{"sample_rate":8000}'), Recordings(str(tmp_path))
    one.append_event(b'{"type":"recording.end","frames":12000}')
    one.close(ended=True)
    assert recordings.finish(ID).missing == ((0.0, 1.5),)
    assert samples(recordings) == bytes(48_000)


def test_separate_channels_stay_apart(tmp_path: Path) -> None:
    form, recordings = WavFormat("pcm_s16le", 8_000, 2), Recordings(str(tmp_path))
    sound = np.frombuffer(noise(8_000, form), "<i2").reshape(-1, 2)
    one = writer(tmp_path, form, config='{"channel_mode":"separate"}')
    one.append_audio(0, sound.tobytes())
    one.close(ended=True)
    recordings.finish(ID)
    found = np.frombuffer(samples(recordings), "<i2").reshape(-1, 2)
    for channel in (0, 1):
        alone = AudioInput("pcm_s16le", 8_000, 1)
        expected = alone.decode_bytes(sound[:, channel].tobytes()) + alone.drain()
        assert found[:, channel].tobytes() == expected


def test_a_deletion_of_parts_that_was_cut_off_costs_nothing(tmp_path: Path) -> None:
    sound, recordings = noise(32_000), Recordings(str(tmp_path))
    one = writer(tmp_path)
    one.append_audio(0, sound)
    one.close(ended=True)
    recordings.finish(ID)
    rest = writer(tmp_path, name="00000-bbbb")  # the second of two parts, which was not deleted yet
    rest.append_audio(16_000, sound[32_000:])
    rest.close(ended=True)
    recordings.finish(ID)
    assert samples(recordings) == sound
    assert list(recordings.unfinished()) == []


def test_a_second_deletion_finds_nothing(tmp_path: Path) -> None:
    recordings, one = Recordings(str(tmp_path)), writer(tmp_path)
    one.append_audio(0, bytes(32_000))
    one.close(ended=True)
    assert (tmp_path / f"parts/{ID}").stat().st_mode & 0o777 == 0o700
    recordings.finish(ID)
    assert (tmp_path / f"sessions/{ID}").stat().st_mode & 0o777 == 0o700
    assert recordings.delete(ID)
    assert not recordings.delete(ID)
    for read in (recordings.open_audio, recordings.read_transcript):
        with pytest.raises(NoRecording):
            read(ID)


def test_before_the_end_the_events_can_be_read(tmp_path: Path) -> None:
    one = writer(tmp_path)
    one.append_event(b'{"type":"warning","code":"x","message":"."}')
    one.flush()
    assert Recordings(str(tmp_path)).read_transcript(ID)["events"] == [
        {"type": "warning", "code": "x", "message": "."}
    ]


def test_the_header_is_valid_at_every_moment(tmp_path: Path) -> None:
    one = writer(tmp_path)
    path = tmp_path / f"parts/{ID}" / str(SegmentName(0, "00000-aaaa"))
    for count in range(1, 5):
        one.append_audio((count - 1) * 100, bytes(200))
        assert read_header(path.read_bytes()[:HEADER_BYTES]) == PLAIN
        with wave.open(str(path)) as audio:
            assert audio.getnframes() == 100 * count


def test_a_session_that_was_not_ended_is_joined_and_its_parts_stay_for_more(tmp_path: Path) -> None:
    sound, recordings = noise(48_000), Recordings(str(tmp_path))
    one = writer(tmp_path)
    one.append_audio(0, sound[:64_000])
    one.flush()
    for _ in range(2):
        assert recordings.finish(ID).seconds == 2.0
        assert samples(recordings) == sound[:64_000]
    one.append_audio(32_000, sound[64_000:])  # Its gateway was not gone, but cut off for a while.
    one.close(ended=True)
    assert recordings.finish(ID).seconds == 3.0
    assert samples(recordings) == sound
    assert list(recordings.unfinished()) == []


def test_parts_that_are_joined_already_are_not_joined_again(tmp_path: Path) -> None:
    one, recordings = writer(tmp_path), Recordings(str(tmp_path))
    one.append_audio(0, noise(16_000))
    one.flush()
    recordings.finish(ID)
    path = tmp_path / f"sessions/{ID}/audio.wav"
    before = path.stat().st_ino
    recordings.finish(ID)
    assert path.stat().st_ino == before
    assert recordings.finish(ID, lost=True).seconds == 1.0
    assert path.stat().st_ino == before
    assert list(recordings.unfinished()) == []
    late = writer(tmp_path, name="00000-bbbb")
    late.append_audio(16_000, noise(16_000))
    late.close(ended=True)
    with pytest.raises(RecordingError, match="went on behind the end"):
        recordings.finish(ID)
    assert samples(recordings) == noise(16_000)


def test_two_that_join_at_once_make_one_recording(tmp_path: Path) -> None:
    sound = noise(16_000 * 60)
    one = writer(tmp_path)
    one.append_audio(0, sound)
    one.close(ended=True)
    both = [Recordings(str(tmp_path)) for _ in range(2)]
    start = threading.Barrier(2)

    def join(recordings: Recordings) -> None:
        start.wait()
        with suppress(NoRecording):  # The other one was faster.
            recordings.finish(ID)

    threads = [threading.Thread(target=join, args=[each]) for each in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert samples(both[0]) == sound
    assert sorted(path.name for path in (tmp_path / f"sessions/{ID}").iterdir()) == [
        "audio.wav",
        "transcript.json",
    ]


def test_what_a_killed_gateway_had_half_joined_goes(tmp_path: Path) -> None:
    one, recordings = writer(tmp_path), Recordings(str(tmp_path))
    one.append_audio(0, noise(16_000))
    one.close(ended=True)
    (tmp_path / f"sessions/{ID}").mkdir(parents=True)
    (tmp_path / f"sessions/{ID}/audio.wav.ab12cd34.new").write_bytes(b"half")
    recordings.finish(ID)
    assert sorted(path.name for path in (tmp_path / f"sessions/{ID}").iterdir()) == [
        "audio.wav",
        "transcript.json",
    ]

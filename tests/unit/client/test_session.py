"""Checks that the options of a session are those of the protocol."""

import pytest

from dalston_realtime.client.session import StreamOptions, _sample_bytes
from dalston_realtime.protocol.parameters import PARAMETERS


def test_every_option_is_a_parameter_of_the_protocol() -> None:
    assert set(StreamOptions.__annotations__) < set(PARAMETERS)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (StreamOptions(), 2),
        (StreamOptions(encoding=None, channels=None), 2),
        (StreamOptions(encoding="pcm_f32le", channels=2), 8),
        (StreamOptions(encoding="mulaw"), 1),
    ],
)
def test_a_sample_has_the_bytes_of_its_encoding_and_channels(options: StreamOptions, size: int) -> None:
    assert _sample_bytes(options) == size

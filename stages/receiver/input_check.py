"""Says what seems wrong with the audio of one session, each fault once."""

from collections.abc import Iterable, Iterator

from dalston_realtime.protocol.audio import Encoding
from dalston_realtime.protocol.events import ServerWarning
from runtime.audio.container_sniffer import WAV, ContainerSniffer, describe_container
from stages.receiver.encoding_sniffer import EncodingSniffer, describe_encoding


class InputCheck:
    """Looks at the bytes as they come; a stream that `goes_on` was looked at where it began."""

    def __init__(self, encoding: Encoding, *, goes_on: bool) -> None:
        self._encoding = encoding
        self._container_sniffer = ContainerSniffer(goes_on=goes_on)
        self._encoding_sniffer = EncodingSniffer(goes_on=goes_on or encoding != "pcm_s16le")
        self._container: str | None = None
        self._warned: set[str] = set()

    @property
    def is_noise(self) -> bool:
        """Whether what comes is no sound if taken as announced. Behind a WAV header it is one."""
        return self._container not in (None, WAV) or self._encoding_sniffer.is_suspected

    def inspect(self, data: bytes) -> None:
        """Look at the next bytes of the stream."""
        self._container = self._container or self._container_sniffer.inspect(data)
        if self._container is None:
            self._encoding_sniffer.inspect(data)

    def warnings(self, inverted_channels: tuple[int, ...]) -> Iterator[ServerWarning]:
        """What the client was not told yet."""
        for code, message in self._faults(inverted_channels):
            if code not in self._warned:
                self._warned.add(code)
                yield ServerWarning(code=code, message=message)

    def _faults(self, inverted_channels: tuple[int, ...]) -> Iterable[tuple[str, str]]:
        if self._container is not None:
            yield "looks_like_container", describe_container(self._container, self._encoding)
        if found := self._encoding_sniffer.found:
            yield "looks_like_encoding", describe_encoding(found, self._encoding)
        if inverted_channels:
            yield "opposite_phase", _describe_phase(inverted_channels)


def _describe_phase(channels: tuple[int, ...]) -> str:
    names = "channel " if len(channels) == 1 else "channels "
    names += ", ".join(str(channel) for channel in channels)
    return f"the channels cancel each other in the mix: {names} of opposite phase, and inverted from now on"

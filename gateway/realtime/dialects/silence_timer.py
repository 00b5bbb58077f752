"""Says once that enough silence has followed a word, on the clock of the audio."""


class SilenceTimer:
    """Runs from the end of a word to the next speech; `length` is in seconds, None where nobody asks."""

    def __init__(self, length: float | None) -> None:
        self.length = length
        self._since: float | None = None
        self._spoke_at = float("-inf")

    @property
    def is_running(self) -> bool:
        """Whether nobody has spoken since the word."""
        return self._since is not None and self._spoke_at <= self._since

    def start(self, end: float) -> None:
        """A word ended at `end` seconds; speech that began behind it may be known already."""
        self._since = end

    def stop(self) -> None:
        """Wait for another word."""
        self._since = None

    def speak(self, at: float) -> None:
        """Somebody speaks from `at` seconds on."""
        self._spoke_at = at

    def forget_speech(self) -> None:
        """What seemed to be speech has no words."""
        self._spoke_at = float("-inf")

    def is_due(self, heard: float) -> float | None:
        """The end of the word, where it is long enough ago; then nothing more until the next word."""
        if self._since is None or self.length is None:
            return None
        since, until = self._since, heard if self.is_running else self._spoke_at
        if until - since < self.length:
            return None
        self._since = None
        return since

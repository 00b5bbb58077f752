"""Speaks texts with espeak-ng's library from the wheel espeakng-loader, which needs no system package."""

import ctypes
import threading
from functools import cache
from typing import Any, Final

import espeakng_loader
import numpy as np
import numpy.typing as npt

SYNCHRONOUS: Final = 2  # AUDIO_OUTPUT_SYNCHRONOUS of espeak-ng/speak_lib.h
PARAMETERS: Final = (1, 3, 7)  # of espeak_PARAMETER: rate of speech, pitch, word gap
UTF8: Final = 1
CHARACTERS: Final = 1  # POS_CHARACTER

_LOCK = threading.Lock()  # the library has one voice at a time
Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Voice(ctypes.Structure):
    """`espeak_VOICE`: what a voice is chosen by where it has no name of its own."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("flags", ctypes.c_ubyte * 4),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


@cache
def _library() -> tuple[Any, int]:
    """The library, and the samples per second that it gives."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    if rate <= 0:
        raise RuntimeError("espeak-ng did not find its data; reinstall espeakng-loader")
    return library, int(rate)


def speak(
    text: str, voice: str, words_per_minute: int, pitch: int, word_gap: int
) -> tuple[npt.NDArray[np.float32], int]:
    """Mono speech, -1..1, and its sample rate; `pitch` from 0 to 99, `word_gap` in units of 10 ms.

    Raises:
        ValueError: there is no such voice; a variant is named behind a plus sign, as in `en-us+f3`.
    """
    with _LOCK:
        return _speak(text, voice, (words_per_minute, pitch, word_gap))


def _speak(text: str, voice: str, parameters: tuple[int, int, int]) -> tuple[npt.NDArray[np.float32], int]:
    library, rate = _library()
    pieces: list[npt.NDArray[np.int16]] = []

    def append_piece(samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    if library.espeak_SetVoiceByName(voice.encode()):
        wanted = Voice(languages=voice.encode())
        if library.espeak_SetVoiceByProperties(ctypes.byref(wanted)):
            raise ValueError(f"espeak-ng has no voice {voice!r}")
    for parameter, value in zip(PARAMETERS, parameters, strict=True):
        library.espeak_SetParameter(parameter, value, 0)
    callback = Callback(append_piece)  # must live as long as the library may call it
    library.espeak_SetSynthCallback(callback)
    data = text.encode()
    library.espeak_Synth(data, len(data) + 1, 0, CHARACTERS, 0, UTF8, None, None)
    library.espeak_Synchronize()
    speech = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
    return speech.astype(np.float32) / np.float32(32768), rate

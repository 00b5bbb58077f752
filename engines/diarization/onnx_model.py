"""Opens the ONNX files that come with this package."""

from pathlib import Path
from typing import Any, Final

from engines.base import Floats
from runtime.errors import StartupError

FOLDER: Final = Path(__file__).parents[1] / "weights"
REMEDY: Final = "install dalston-realtime[server] again"


class OnnxModel:
    """A network of one input and one output, both of floats.

    Raises:
        StartupError: the file or the library is not there, or can't be used; says what to do.
    """

    def __init__(self, file_name: str, threads: int, folder: Path = FOLDER) -> None:
        try:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            path = str(folder / file_name)
            self._session: Any = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 - the library has errors of its own for each fault of a file
            raise StartupError(f"{file_name} can't be used ({error}); {REMEDY}") from None
        self._input: str = self._session.get_inputs()[0].name

    def __call__(self, values: Floats) -> Floats:
        """What the network makes of its input."""
        (found,) = self._session.run(None, {self._input: values})
        return found  # type: ignore[no-any-return]

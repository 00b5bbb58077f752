"""Builds ONNX graphs of Moonshine's encoder and decoder, with the weights of the files that it ships in."""

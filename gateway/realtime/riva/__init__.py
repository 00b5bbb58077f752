"""Serves the clients of NVIDIA Riva's speech recognition over gRPC."""

import os

# The core of gRPC would write lines of a form of its own to stderr about what clients send.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

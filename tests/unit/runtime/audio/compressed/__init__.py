"""Tests of the decoders of compressed audio."""

"""Defines what goes wrong with compressed audio."""

from dalston_realtime.protocol.errors import DalstonError


class UnreadableStream(DalstonError):
    """Nothing more can be decoded of a stream; the message says why, and what would be right."""

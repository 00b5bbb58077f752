"""Translates the protocols of other services: each dialect is a pure object, without a socket or a clock."""

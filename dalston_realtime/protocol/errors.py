"""Holds the root of the error tree, and the error for a parameter that has a bad value."""


class DalstonError(Exception):
    """Root of the errors that this project raises on purpose."""


class InvalidParameter(DalstonError):
    """A query parameter or `config` field has a bad value; `param` names it."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param
        self.message = message

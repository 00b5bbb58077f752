"""Gives commands the option --key, with the key that they show to the server."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from dalston_realtime.client.api_key import VARIABLE, use_api_key

Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar=VARIABLE,
        metavar="KEY",
        help="API key, where the server wants one; others can see it in the list of processes.",
        show_envvar=True,
    ),
]


def with_key(command: Callable[..., None]) -> Callable[..., None]:
    """The same command with the option --key behind its own."""

    @functools.wraps(command)
    def with_its_key(*args: Any, key: str | None, **kwargs: Any) -> None:
        use_api_key(key)
        command(*args, **kwargs)

    signature = inspect.signature(command)
    option = inspect.Parameter("key", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Key)
    parameters = [*signature.parameters.values(), option]
    with_its_key.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    with_its_key.__annotations__ = {**command.__annotations__, "key": Key}
    return with_its_key

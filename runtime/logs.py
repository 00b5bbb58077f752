"""Sets up the log of a process: one line an event, as text for people or as JSON for machines.

Loggers come from `get_logger(__name__)`. The id of a session is bound once, with `bind_session` in the task
that serves it, and then stands in all of that task's lines. Lines of other libraries, which use the standard
library's logging, have the same form.
"""

import logging
import sys
from typing import Final, Literal, TypeAlias

from runtime.structlog_adapter import structlog

LogFormat: TypeAlias = Literal["text", "json"]
Processor: TypeAlias = structlog.typing.Processor
EventDict: TypeAlias = structlog.typing.EventDict
WrappedLogger: TypeAlias = structlog.typing.WrappedLogger

HTTP_CLIENT: Final = "httpx"  # Its lines have the URL of every request, with its query string.

_SHARED: Final[tuple[Processor, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.StackInfoRenderer(),
)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of the module `name`."""
    return structlog.stdlib.get_logger(name)


def bind_session(session_id: str) -> None:
    """Have all lines of this task, and of the tasks that it starts, say which session they are about."""
    structlog.contextvars.bind_contextvars(session=session_id)


def configure_logging(process: str, level: str, form: LogFormat = "text") -> None:
    """Write the log of `process` to stderr, from `level` on.

    A line of text is `LEVEL process what happened name=value ...`; the supervisor adds the time.
    A line of JSON has `timestamp`, `level`, `process`, `event` and the values by their names.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_last(process, form)],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger(HTTP_CLIENT).setLevel(logging.WARNING)
    route_to_logging()


def route_to_logging() -> None:
    """Hand structlog's events to the handlers of the standard library's logging."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _last(process: str, form: LogFormat) -> list[Processor]:
    if form == "text":
        return [structlog.processors.format_exc_info, _TextLine(process)]
    return [
        structlog.processors.format_exc_info,  # a text: `dict_tracebacks` would show local variables
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _ProcessName(process),
        structlog.processors.JSONRenderer(sort_keys=True),
    ]


class _ProcessName:
    """Adds the name of the process."""

    def __init__(self, process: str) -> None:
        self._process = process

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["process"] = self._process
        return event


class _TextLine:
    """Renders an event as one line of text; a traceback stands below it."""

    def __init__(self, process: str) -> None:
        self._process = process

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> str:
        level, what = str(event.pop("level", "info")).upper(), event.pop("event", "")
        exception = event.pop("exception", None)
        values = "".join(f" {name}={_shown(value)}" for name, value in event.items())
        line = f"{level:<7} {self._process} {what}{values}"
        return f"{line}\n{exception}" if exception else line


def _shown(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return repr(text) if not text or any(c.isspace() or c in "\"'=" for c in text) else text

"""How the log reads: one line an event on standard error; JSON lines where nobody looks at a terminal.

Tracebacks stay plain: drawing them with their variables costs seconds, in which no call would be decided.
"""

import logging
import sys

import structlog


def set_up_logs(level: str = "info", *, json: bool | None = None) -> None:
    """Set the log up for the whole process. `json` None: by whether standard error is a terminal."""
    as_json = not sys.stderr.isatty() if json is None else json
    if as_json:
        ends: list[structlog.typing.Processor] = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    else:
        ends = [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *ends,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )

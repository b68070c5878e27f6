"""Logs of every service: one line an event on stderr, secrets taken out before any handler sees it.

``HEADCOUNT_LOG=json`` writes JSON lines instead of text, ``HEADCOUNT_LOG_LEVEL`` sets the level.
Code logs through ``structlog.get_logger()``; what libraries log comes out the same way.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from core.redaction import HIDDEN, names_a_secret, redact

__all__ = ["configure_logging", "redact"]

FORMAT_VARIABLE = "HEADCOUNT_LOG"
LEVEL_VARIABLE = "HEADCOUNT_LOG_LEVEL"
_CHATTY_LIBRARIES = ("alembic", "apprise", "asyncio", "httpx", "PIL", "urllib3", "watchdog")


def configure_logging(service: str, *, json: bool | None = None) -> None:
    """Sends all logs of this process to stderr, redacted, with the service's name on each line.

    Uncaught exceptions are logged too, so that no traceback shows a password. Call it once, first
    thing in a process; calling it again replaces the earlier configuration.

    Args:
        json: JSON lines, or text for people; by default as the environment says, else text.
    """
    if json is None:
        json = os.environ.get(FORMAT_VARIABLE, "").strip().lower() == "json"
    level = logging.getLevelNamesMapping().get(
        os.environ.get(LEVEL_VARIABLE, "").strip().upper(), logging.INFO
    )
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _service_adder(service),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _CHATTY_LIBRARIES:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(True)
    _redact_every_record()
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _service_adder(service: str) -> Processor:
    def add_service(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event.setdefault("service", service)
        return event

    return add_service


def _redact_event(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    # Names with an underscore are structlog's own, for its formatter; they are not printed.
    return {
        name: value if name.startswith("_") else _redacted_field(name, value)
        for name, value in event.items()
    }


def _redacted_field(name: Any, value: Any) -> Any:
    return HIDDEN if names_a_secret(str(name)) and value else _redacted(value)


def _redacted(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(str(key)): _redacted_field(key, item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(item) for item in value]
    return redact(str(value))


def _redact_every_record() -> None:
    """Redacts where records are made, so that handlers that libraries add see no secret either."""
    make = logging.getLogRecordFactory()
    if getattr(make, "redacts", False):
        return

    def make_redacted(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        _redact_record(record)
        return record

    make_redacted.redacts = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make_redacted)


def _redact_record(record: logging.LogRecord) -> None:
    if record.exc_info and record.exc_info[0] is not None:
        # Formatters use this text, where it is set, instead of formatting the traceback anew.
        record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)).rstrip())
    if isinstance(record.msg, dict):
        return  # an event of structlog, redacted already
    if isinstance(record.args, tuple):
        # Some formatters (uvicorn's) read the arguments, so they are kept one by one.
        record.args = tuple(_redacted_argument(item) for item in record.args)
    try:
        text = record.getMessage()
    except (TypeError, ValueError, KeyError):
        return  # the caller's format and arguments do not match; logging reports it
    if redact(text) != text:
        record.msg, record.args = redact(text), None


def _redacted_argument(value: object) -> object:
    text = str(value)
    return value if redact(text) == text else redact(text)


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger("uncaught").critical("uncaught exception", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is SystemExit:
        return
    error = args.exc_value if args.exc_value is not None else args.exc_type()
    logging.getLogger("uncaught").critical(
        "uncaught exception in thread %s",
        args.thread.name if args.thread else "?",
        exc_info=(args.exc_type, error, args.exc_traceback),
    )

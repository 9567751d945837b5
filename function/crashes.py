"""What is left of errors that nothing catches, and of crashes: no student's words and no secret."""

import logging
import resource
import sys
import threading
from types import TracebackType

log = logging.getLogger("function")


def configure() -> None:
    """Log uncaught errors without their texts, and leave no core dump, which has all memory."""
    sys.excepthook = _log_end
    threading.excepthook = sys.unraisablehook = _log_uncaught
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))


def _log_end(kind: type[BaseException], error: BaseException, frames: TracebackType | None) -> None:
    if isinstance(error, KeyboardInterrupt):
        sys.__excepthook__(kind, error, frames)
    else:
        log.critical("uncaught error", exc_info=error)


def _log_uncaught(crash: "threading.ExceptHookArgs | sys.UnraisableHookArgs") -> None:
    if crash.exc_value and not isinstance(crash.exc_value, SystemExit):
        log.error("uncaught error", exc_info=crash.exc_value)

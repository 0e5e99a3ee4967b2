"""What workers log, handed to the logging of this process."""

from __future__ import annotations

import logging
import os
from typing import Any, Final

__all__ = ["disabled", "levels", "log_for"]

_ROOT: Final = "root"
_UNNAMED: Final = "MainProcess"


def levels() -> tuple[tuple[str, int], ...]:
    """The loggers of this process that have a level of their own; the root's name is empty."""
    root = logging.getLogger()
    named = list(root.manager.loggerDict.items())
    own = [(name, logger.level) for name, logger in named if isinstance(logger, logging.Logger) and logger.level]
    return (("", root.level), *own)


def disabled() -> int:
    """The level up to which logging is disabled in this process."""
    return logging.getLogger().manager.disable


def log_for(pool: str, worker_id: int, attributes: dict[str, Any]) -> None:
    """Handles a record of a worker of that pool as though it had been logged here, where its logger is enabled for it.

    No logger is created for that, for none is ever forgotten, and a worker may name as many as it likes.
    """
    name, level = attributes["name"], attributes["levelno"]
    logger, exact = _nearest(name)
    if exact:
        if not logger.isEnabledFor(level):
            return
    elif logger.manager.disable >= level or level < logger.getEffectiveLevel():
        return
    record = logging.makeLogRecord({})
    created = attributes["created"]
    # Since the logging of this process began, which may be after the worker's.
    relative = record.relativeCreated + (created - record.created) * 1000
    vars(record).update(attributes, msecs=float(int(created % 1 * 1000)), relativeCreated=relative)
    vars(record).update(worker_id=worker_id, pool_name=pool)
    if record.processName == _UNNAMED and record.process != os.getpid():
        record.processName = f"poolifier-{worker_id}"
    if exact:
        logger.handle(record)
    else:
        logger.callHandlers(record)


def _nearest(name: str) -> tuple[logging.Logger, bool]:
    """The logger of that name, or the next above it that there is; and whether it is the one."""
    root = logging.getLogger()
    if name == _ROOT:
        return root, True
    loggers = root.manager.loggerDict
    above = name
    while above:
        logger = loggers.get(above)
        if isinstance(logger, logging.Logger):
            return logger, above == name
        above = above.rpartition(".")[0]
    return root, False

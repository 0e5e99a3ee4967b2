"""The handler on a worker's root logger. Imported once the worker has imported `logging`, and not before."""

from __future__ import annotations

import logging

from poolifier.errors import TaskAborted
from poolifier.wire import messages
from poolifier.wire.log_records import pack_record
from poolifier.worker.current_task import current_task
from poolifier.worker.imports import shelter_log_records
from poolifier.worker.relay import Target, target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

__all__ = ["RelayHandler", "attach"]

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_MOST_REMEMBERED: Final = 1024


class RelayHandler(logging.Handler):
    """Sends records to the pool, as far as its levels let them through.

    It is there where the worker's logging is not configured otherwise: `logging.basicConfig(force=True)` and
    `logging.config.dictConfig` with a root logger remove it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._text = logging.Formatter()
        self._known: dict[str, int] = {}

    def createLock(self) -> None:  # noqa: N802 - the standard library's name
        """There is none: an abort that is raised while it is held would leave it locked for all other threads."""
        self.lock: Any = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Sends the record, unless a filter of this handler is against it."""
        passed = self.filter(record)
        if isinstance(passed, logging.LogRecord):
            record = passed
        if passed:
            self.emit(record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """Sends the record. Where this is no worker, its message is written to standard error instead."""
        to = target()
        if to is None or not to.here:
            fallback = logging.lastResort
            if fallback is not None and record.levelno >= fallback.level:
                fallback.handle(record)
            return
        if record.levelno < self._least(record.name, to):
            return
        try:
            frame = messages.message(messages.LOG, self._packed(record))
        except (RecursionError, TaskAborted):
            raise
        except Exception:  # noqa: BLE001 - as handlers do: what is wrong with a record is not its caller's fault
            self.handleError(record)
            return
        to.tell(frame)

    def forget_levels(self) -> None:
        """They are others from now on."""
        self._known.clear()

    def _packed(self, record: logging.LogRecord) -> tuple[object, ...]:
        fields = vars(record).copy()
        fields["msg"] = record.getMessage()
        if record.exc_info and not record.exc_text:
            fields["exc_text"] = self._text.formatException(record.exc_info)
        extra = {name: value for name, value in fields.items() if name not in _STANDARD}
        task = current_task()
        fields["task_id"], fields["task_name"] = (None, None) if task is None else (task.id, task.name)
        return pack_record(fields, extra)

    def _least(self, name: str, to: Target) -> int:
        """The lowest level that the pool's logger of that name lets through."""
        least = self._known.get(name)
        if least is None:
            least = self._worked_out(name, to)
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[name] = least
        return least

    def _worked_out(self, name: str, to: Target) -> int:
        above = "" if name == "root" else name
        while above and above not in to.levels:
            above = above.rpartition(".")[0]
        return max(to.levels.get(above, logging.NOTSET), to.disabled + 1)


_handler: Final = RelayHandler()
_attached: Final[list[bool]] = []


def attach(to: Target | None) -> None:
    """Puts the handler on the root logger and gives the loggers the levels of the pool's.

    Called once when logging has been imported, and again where the pool comes to be known only then.
    """
    root = logging.getLogger()
    if not _attached:
        _attached.append(True)
        root.addHandler(_handler)
        logging.captureWarnings(True)
        shelter_log_records()
    if to is None or _handler not in root.handlers:
        return
    _handler.forget_levels()
    for name, level in to.levels.items():
        logging.getLogger(name).setLevel(level)
    if to.disabled:
        logging.disable(to.disabled)

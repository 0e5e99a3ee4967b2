"""Brings what happens to the user's listeners and handlers, and survives what these raise."""

from __future__ import annotations

import logging
from asyncio import AbstractEventLoop, CancelledError, Task, get_running_loop, iscoroutine
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any
from weakref import ref

from poolifier.error_attributes import is_a
from poolifier.error_text import to_log
from poolifier.errors import PoolifierError
from poolifier.exchange import WorkerExit
from poolifier.observe.events import PoolEmitter, PoolEvent
from poolifier.options import PoolOptions

if TYPE_CHECKING:
    from poolifier.pool.worker_node import WorkerNode
    from poolifier.scheduler.info import PoolInfo
    from poolifier.scheduler.node import Node

_logger = logging.getLogger("poolifier")


class WeakObserver:
    """The driver's `Observer`: tells `Handlers` as long as the pool has them.

    The event loop refers to the driver, and handlers may refer to the pool, as a bound method of an object that has the
    pool does. So the driver does not keep them, or a pool that nobody refers to would never be collected.
    """

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = ref(handlers)

    def event(self, name: str, node: Node | None, detail: object) -> None:
        """An event of the scheduler."""
        handlers = self._handlers()
        if handlers is not None:
            handlers.event(name, node, detail)

    def task_error(self, error: BaseException) -> None:
        """A task failed."""
        handlers = self._handlers()
        if handlers is not None:
            handlers.task_error(error)

    def message(self, node: Node, message: Any) -> None:
        """A worker sent a message."""
        handlers = self._handlers()
        if handlers is not None:
            handlers.message(node, message)


class Handlers:
    """The emitter's listeners and the four handlers among the options.

    All of them may be plain or async.
    """

    def __init__(
        self,
        options: PoolOptions,
        emitter: PoolEmitter | None,
        view: Callable[[Node], WorkerNode],
        info: Callable[[], PoolInfo],
    ) -> None:
        self._options = options
        self._emitter = emitter
        self._view = view
        self._info = info
        self._running: set[Task[object]] = set()
        # What the last failed start was logged with: its repeats have the same traceback.
        self._shown: tuple[type[BaseException], str] | None = None

    def bind(self, loop: AbstractEventLoop) -> None:
        """Makes async listeners run on that event loop."""
        if self._emitter is not None:
            self._emitter.bind(loop)

    def event(self, name: str, node: Node | None, detail: object) -> None:
        """Calls the handlers and listeners of an event. The error, where there is one, is `detail`."""
        options = self._options
        if node is not None:
            if name == PoolEvent.WORKER_ONLINE:
                self._shown = None
                self._call(options.online_handler, self._view(node))
            elif name == PoolEvent.WORKER_EXIT and isinstance(detail, WorkerExit):
                self._call(options.exit_handler, self._view(node), detail.exit_code)
            elif name == PoolEvent.ERROR:
                self._call(options.error_handler, self._view(node), detail)
        if name == PoolEvent.RECOVERED:
            # As loud as what was said when it began to fail, for whoever reads that is to read this.
            _logger.warning("pool %r: a worker is ready again: it has recovered", options.name)
        if name == PoolEvent.ERROR and isinstance(detail, BaseException):
            self._error(detail, told=node is not None and options.error_handler is not None, of_worker=node is not None)
        else:
            self._emit(name)

    def task_error(self, error: BaseException) -> None:
        """A task failed. Its caller hears of it in any case."""
        if self._emitter is not None and self._emitter.listeners(PoolEvent.TASK_ERROR):
            self._emit(PoolEvent.TASK_ERROR, error)

    def message(self, node: Node, message: Any) -> None:
        """A worker sent a message."""
        self._call(self._options.message_handler, self._view(node), message)

    def _emit(self, name: str, error: BaseException | None = None) -> None:
        emitter = self._emitter
        if emitter is None or not emitter.listeners(name):
            return
        try:
            emitter.emit(name, self._info() if error is None else error)
        except (Exception, CancelledError) as raised:  # noqa: BLE001 - a listener's own, not to end the pool
            self._error(raised)

    def _error(self, error: BaseException, *, told: bool = False, of_worker: bool = False) -> None:
        if self._emitter is not None and self._emitter.listeners(PoolEvent.ERROR):
            try:
                self._emitter.emit(PoolEvent.ERROR, error)
            except (Exception, CancelledError):
                _logger.exception("pool %r: a listener to errors raised", self._options.name)
        elif not told:
            # A dead worker has no traceback worth showing, and its error names the pool; a listener that raised has.
            text, exc_info = to_log(error)
            if is_a(error, PoolifierError):
                _logger.error("%s", text)
            elif not of_worker:
                _logger.error("pool %r: %s", self._options.name, text, exc_info=exc_info)
            elif self._shown == (type(error), text):
                # Workers fail one after another, and again with each try.
                what = text.rpartition("\n")[2] if exc_info is None else f"{type(error).__name__}: {text}"
                _logger.error("pool %r: the start of a worker failed again: %s", self._options.name, what)
            else:
                self._shown = (type(error), text)
                _logger.error("pool %r: %s", self._options.name, text, exc_info=exc_info)

    def _call(self, handler: Callable[..., object] | None, *args: object) -> None:
        if handler is None:
            return
        try:
            result = handler(*args)
            if iscoroutine(result):
                self._background(result)
        except (Exception, CancelledError) as raised:  # noqa: BLE001 - likewise
            self._error(raised)

    def _background(self, coroutine: Coroutine[Any, Any, object]) -> None:
        task = get_running_loop().create_task(coroutine)
        # The event loop itself remembers tasks only weakly.
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: Task[object]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._error(error)

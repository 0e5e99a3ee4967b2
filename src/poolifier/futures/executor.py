"""Executors: the face of a pool for code without an event loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future
from itertools import islice
from time import monotonic
from typing import Any, ParamSpec, TypeVar
from weakref import finalize

from poolifier.futures.engine import Engine
from poolifier.pool.base import Pool
from poolifier.worker.calls import each

__all__ = ["PoolExecutor"]

P = ParamSpec("P")
ResultT = TypeVar("ResultT")


class PoolExecutor(Executor):
    """A `concurrent.futures.Executor` over any pool: runs any function on its workers, from any thread.

    A pool that is not started is the executor's own: it is started with the first call, on an event loop in
    a thread of its own, and destroyed by `shutdown`. A pool that is started is used where it is, and left there.

    Args:
        pool: The pool. What task functions it holds is of no account.

    Raises:
        TypeError: That is no pool.
    """

    def __init__(self, pool: Pool[Any, Any]) -> None:
        if not isinstance(pool, Pool):
            raise TypeError(f"pool must be a pool of poolifier, not {pool!r}")
        self._use(pool)

    def _use(self, pool: Pool[Any, Any], name: str | None = None) -> Engine:
        # Read by Dask, joblib and others who want to know how much work to keep at hand.
        self._max_workers = pool._options.max_size
        self._engine = engine = Engine(pool, name)
        self._chunks = pool.kind != "thread"
        # One that nobody has any more finishes what it has to do, and ends. At the end of the interpreter so do all.
        finalize(self, engine.close).atexit = False
        return engine

    def submit(self, fn: Callable[P, ResultT], /, *args: P.args, **kwargs: P.kwargs) -> Future[ResultT]:
        """Runs `fn(*args, **kwargs)` on a worker; returns a future whose `cancel` also stops it while it runs.

        Functions and classes of `__main__` are sent to a worker once, into one namespace that all calls share.
        A global of the script, or a variable of a closure, that names another object than before is sent again
        with the next call. What is changed in place is not, and what a worker assigned to a global stays.

        Raises:
            BrokenPoolError: No worker can be started.
            RuntimeError: The executor is shut down, the interpreter is about to end, or this process was
                forked from the one that the executor works in.

        The future raises what the function raised, with its remote traceback as text in `__cause__`;
        `BrokenWorkerError` where the worker died while it ran the call; what pickling the call raised; and
        `UnpicklableCallError` or `UnreadableCallError` where something else of it did not get through.
        """
        return self._engine.submit(fn, args, kwargs)

    def map(
        self,
        fn: Callable[..., ResultT],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[ResultT]:
        """Returns an iterator over `fn(*arguments)` for the arguments at each position of the iterables, in order.

        Leaving it early cancels what is under way, also what runs.

        Args:
            fn: The function.
            iterables: Its arguments, as for the built-in `map`. All of it is submitted at once, unless
                there is a `buffersize`.
            timeout: Seconds from now until the last result must have come.
            chunksize: Calls that travel as one, and share its fate. Calls that are submitted one after
                another travel together anyway, so there is little to gain. Threads have no use for it.
            buffersize: Calls, or chunks of them, that may be under way; None for all.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: `chunksize` or `buffersize` is below 1.
            TimeoutError: By the iterator: time is over.
        """
        if buffersize is not None and (isinstance(buffersize, bool) or not isinstance(buffersize, int)):
            raise TypeError(f"buffersize must be an integer or None, not {buffersize!r}")
        if buffersize is not None and buffersize < 1:
            raise ValueError(f"buffersize must be None or > 0, not {buffersize}")
        if isinstance(chunksize, bool) or not isinstance(chunksize, int):
            raise TypeError(f"chunksize must be an integer, not {chunksize!r}")
        if chunksize < 1:
            raise ValueError(f"chunksize must be >= 1, not {chunksize}")
        arguments = zip(*iterables, strict=False)
        if chunksize == 1 or not self._chunks:
            return self._results(lambda some: self.submit(fn, *some), arguments, timeout, buffersize)
        chunks = iter(lambda: tuple(islice(arguments, chunksize)), ())
        return _flat(self._results(lambda chunk: self.submit(each, fn, chunk), chunks, timeout, buffersize))

    def _results(
        self,
        submit: Callable[[Any], Future[Any]],
        items: Iterator[Any],
        timeout: float | None,
        buffersize: int | None,
    ) -> Generator[Any, None, None]:
        deadline = None if timeout is None else monotonic() + timeout
        futures = deque(submit(item) for item in islice(items, buffersize))
        if buffersize is not None:
            return _taken(futures, deadline, submit, items)
        # Nothing of it is to keep the executor alive.
        return _taken(futures, deadline, None, items)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more calls, and ends once those that were taken have ended.

        Args:
            wait: Return only then, when nothing of the executor is left. Not on the pool's own event loop.
            cancel_futures: Cancel the calls that no worker has got yet.
        """
        self._engine.close(cancel_waiting=cancel_futures)
        if wait:
            self._engine.wait()

    @property
    def _broken(self) -> BaseException | None:
        """Why it takes no more calls. Not public in the standard library either, but looked at all the same."""
        return self._engine.broken


def _taken(
    futures: deque[Future[Any]],
    deadline: float | None,
    submit: Callable[[Any], Future[Any]] | None,
    items: Iterator[Any],
) -> Generator[Any, None, None]:
    try:
        while futures:
            if submit is not None:
                futures.extend(submit(item) for item in islice(items, 1))
            # No reference to the future, or the result, stays here.
            yield _result_of(futures.popleft(), deadline)
    finally:
        for future in futures:
            future.cancel()


def _result_of(future: Future[Any], deadline: float | None) -> Any:
    try:
        try:
            return future.result(None if deadline is None else deadline - monotonic())
        finally:
            future.cancel()
    finally:
        # The future has the error, whose traceback has this frame.
        del future


def _flat(lists: Iterator[list[Any]]) -> Generator[Any, None, None]:
    for some in lists:
        some.reverse()
        while some:
            yield some.pop()

"""Drop-in executors: `concurrent.futures` on poolifier's pools.

One changed import gives a program that uses `concurrent.futures` workers whose crash costs one call, calls that
can be cancelled while they run, work stealing, and speed:

    from poolifier.futures import ProcessPoolExecutor

`PoolExecutor` does the same for any pool. All of them work from any thread, with or without an event loop.
"""

from __future__ import annotations

from poolifier.futures.drop_in import InterpreterPoolExecutor, ProcessPoolExecutor, ThreadPoolExecutor
from poolifier.futures.errors import BrokenPoolError, BrokenWorkerError, UnpicklableCallError, UnreadableCallError
from poolifier.futures.executor import PoolExecutor

__all__ = [
    "BrokenPoolError",
    "BrokenWorkerError",
    "InterpreterPoolExecutor",
    "PoolExecutor",
    "ProcessPoolExecutor",
    "ThreadPoolExecutor",
    "UnpicklableCallError",
    "UnreadableCallError",
]

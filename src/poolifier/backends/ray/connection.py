"""This process's connection to a Ray cluster, which all its pools share.

Where the program has connected by itself, that is used and left alone. Where a pool had to, the last pool
that uses the connection ends it.

A connection that is made here has a thread of its own for as long as it lasts: what Ray starts, if there is no
cluster yet, ends with the *thread* that started it.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

import ray

from poolifier.backends.ray.options import RayOptions

__all__ = ["connect", "disconnect"]


class _Connection:
    """A connection that a pool has made."""

    def __init__(self, options: RayOptions) -> None:
        self._options = options
        self._made: Future[None] = Future()
        self._unwanted = threading.Event()
        self._thread = threading.Thread(target=self._hold, name="poolifier-ray", daemon=True)
        self._thread.start()
        self._made.result()

    def end(self) -> None:
        """Ends it, unless the program has done so, and perhaps made another."""
        self._unwanted.set()
        self._thread.join()

    def _hold(self) -> None:
        wanted: dict[str, Any] = {"address": self._options.address, "namespace": self._options.namespace}
        try:
            ray.init(**{name: value for name, value in wanted.items() if value is not None})
            job = ray.get_runtime_context().get_job_id()
        except BaseException as error:  # noqa: BLE001 - it is raised where the connection is wanted
            self._made.set_exception(error)
            return
        self._made.set_result(None)
        self._unwanted.wait()
        if ray.is_initialized() and ray.get_runtime_context().get_job_id() == job:
            ray.shutdown()


_lock = threading.Lock()
_pools = 0
_own: _Connection | None = None


def connect(options: RayOptions) -> None:
    """Sees to it that there is a connection. Takes seconds, so call it in a thread.

    Raises:
        ConnectionError: There is no such cluster.
    """
    global _pools, _own
    with _lock:
        if not ray.is_initialized():
            if _own is not None:
                # The program has ended it under pools that used it.
                _own.end()
            _own = _Connection(options)
            _pools = 0
        _pools += 1


def disconnect() -> None:
    """A pool needs the connection no more. Takes a second if it was the last one, so call it in a thread."""
    global _pools, _own
    with _lock:
        _pools -= 1
        if _pools <= 0 and _own is not None:
            _own.end()
            _own = None

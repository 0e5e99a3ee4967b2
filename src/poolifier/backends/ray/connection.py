"""This process's connection to a Ray cluster, which all its pools share.

Where the program has connected by itself, that is used and left alone. Where a pool had to, the last pool
that uses the connection ends it.

A connection that is made here has a thread of its own for as long as it lasts: what Ray starts, if there is no
cluster yet, ends with the *thread* that started it.

The program, or a library that it uses, may end the connection at any time, by `ray.shutdown`. Ray tells nobody: what
was called is never answered. And whoever then calls an actor, `ray.put` or `ray.kill` has Ray start a cluster anew, of
its own accord. So each connection is known by what Ray calls it, and is looked at again and again, and before each
such call (see `connection_id`).
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any, Final

import ray

from poolifier.backends.ray.options import RayOptions

__all__ = ["LOST", "adopt", "connect", "connection_id", "disconnect"]

LOST: Final = "the program's connection to Ray has been shut down (ray.shutdown)"
"""What is said of workers whose connection has gone."""

_context: Any = None


def connection_id() -> str:
    """What identifies the connection that there is now, which no other one has, before or after; empty for none.

    Makes none, unlike most of Ray's functions. Takes some microseconds.
    """
    global _context
    if not ray.is_initialized():
        return ""
    try:
        if _context is None:
            # Only where there is a connection, for it would make one. It is one object for all connections.
            _context = ray.get_runtime_context()
        # Clusters number their jobs from 1 on, and connections to one are jobs; the names of nodes are random.
        return f"job {_context.get_job_id()} of node {_context.get_node_id()}"
    except Exception:  # noqa: BLE001 - it is being shut down, in another thread
        return ""


class _Connection:
    """A connection that a pool has made.

    Attributes:
        identity: See `connection_id`.
        pools: How many pools use it.
    """

    def __init__(self, options: RayOptions) -> None:
        self.pools: int = 0
        self._options = options
        self._made: Future[str] = Future()
        self._unwanted = threading.Event()
        self._thread = threading.Thread(target=self._hold, name="poolifier-ray", daemon=True)
        self._thread.start()
        self.identity: str = self._made.result()

    def end(self) -> None:
        """Ends it, unless the program has done so, and perhaps made another."""
        self._unwanted.set()
        self._thread.join()

    def _hold(self) -> None:
        wanted: dict[str, Any] = {"address": self._options.address, "namespace": self._options.namespace}
        try:
            ray.init(**{name: value for name, value in wanted.items() if value is not None})
            identity = connection_id()
        except BaseException as error:  # noqa: BLE001 - it is raised where the connection is wanted
            self._made.set_exception(error)
            return
        self._made.set_result(identity)
        self._unwanted.wait()
        if identity and connection_id() == identity:
            ray.shutdown()


_lock = threading.Lock()
_own: _Connection | None = None


def connect(options: RayOptions) -> str:
    """Sees to it that there is a connection, and returns what identifies it. Takes seconds, so call it in a thread.

    Raises:
        ConnectionError: There is no such cluster.
    """
    global _own
    with _lock:
        identity = connection_id()
        if not identity:
            if _own is not None:
                # The program has ended it under pools that used it.
                _own.end()
                _own = None
            _own = _Connection(options)
            identity = _own.identity
        if _own is not None and _own.identity == identity:
            _own.pools += 1
        return identity


def adopt() -> str:
    """As `connect`, for a pool whose connection has gone: what identifies the one that there is now; empty for none.

    Does not wait: there is none while one is being made.
    """
    if not _lock.acquire(blocking=False):
        return ""
    try:
        identity = connection_id()
        if _own is not None and _own.identity == identity:
            _own.pools += 1
        return identity
    finally:
        _lock.release()


def disconnect(identity: str) -> None:
    """A pool needs the connection no more. Takes a second if it was the last one, so call it in a thread."""
    global _own
    with _lock:
        if _own is None or _own.identity != identity:
            return
        _own.pools -= 1
        if _own.pools <= 0:
            _own.end()
            _own = None

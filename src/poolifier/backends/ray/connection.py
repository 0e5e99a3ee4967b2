"""This process's connection to a Ray cluster, which all its pools share.

Where the program has connected by itself, that is used and left alone. Where a pool had to, the last pool
that uses the connection ends it.
"""

from __future__ import annotations

import threading
from typing import Any

import ray

from poolifier.backends.ray.options import RayOptions

__all__ = ["connect", "disconnect"]

_lock = threading.Lock()
_pools = 0
_job: str | None = None
"""The job by which this process is known to the cluster, where a pool has connected it."""


def connect(options: RayOptions) -> None:
    """Sees to it that there is a connection. Takes seconds, so call it in a thread.

    Raises:
        ConnectionError: There is no such cluster.
    """
    global _pools, _job
    with _lock:
        if not ray.is_initialized():
            wanted: dict[str, Any] = {"address": options.address, "namespace": options.namespace}
            ray.init(**{name: value for name, value in wanted.items() if value is not None})
            _job = ray.get_runtime_context().get_job_id()
            _pools = 0
        _pools += 1


def disconnect() -> None:
    """A pool needs the connection no more. Takes a second if it was the last one, so call it in a thread."""
    global _pools, _job
    with _lock:
        _pools -= 1
        if _pools or _job is None:
            return
        # Unless the program has ended it itself, and perhaps made another.
        if ray.is_initialized() and ray.get_runtime_context().get_job_id() == _job:
            ray.shutdown()
        _job = None

"""Tells operators of workers that were killed for tasks which ignored their abort: nobody else would."""

from __future__ import annotations

import logging
from itertools import islice

from poolifier.exchange import WorkerExit
from poolifier.scheduler.node import Node
from poolifier.scheduler.task import ABORTING

__all__ = ["warn_of_kill"]

_logger = logging.getLogger("poolifier")


def warn_of_kill(pool: str, node: Node, exited: WorkerExit, grace: float) -> None:
    """Logs one warning if the worker, which is gone, was killed for what it ran. Call it before its tasks are taken.

    An abandoned thread is not gone, and an error tells of it.
    """
    if not node.condemned or exited.abandoned:
        return
    # What was sent ahead had not begun.
    running = [task for task in islice(node.sent.values(), node.quota) if task.state == ABORTING]
    if not running:
        return  # it came to its end in the last moment
    process = "" if exited.pid is None else f" (pid {exited.pid})"
    tasks = ", ".join(f"task {task.id} ({task.function.name!r})" for task in running)
    _logger.warning(
        "pool %r: worker %d%s was killed after abort_grace=%g s: %s did not stop", pool, node.id, process, grace, tasks
    )

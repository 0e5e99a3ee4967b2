"""Which worker and task a log record is of, for tasks that log in this very process."""

from __future__ import annotations

import logging

from poolifier.worker.current_task import current_host, current_task

__all__ = ["TaskLogFilter"]


class TaskLogFilter(logging.Filter):
    """Gives every record `pool_name`, `worker_id`, `task_id` and `task_name`, for formats that have them.

    Records that processes, interpreters and actors have sent have them. What a task logs in a thread of this process
    gets those of its task, and everything else gets None. Add it to a handler: `handler.addFilter(TaskLogFilter())`.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets everything pass."""
        attributes = vars(record)
        if "worker_id" not in attributes:
            host = current_host()
            attributes["worker_id"] = None if host is None else host.worker_id
            attributes.setdefault("pool_name", None if host is None else host.pool_name)
        attributes.setdefault("pool_name", None)
        if "task_id" not in attributes:
            task = current_task()
            attributes["task_id"] = None if task is None else task.id
            attributes.setdefault("task_name", None if task is None else task.name)
        attributes.setdefault("task_name", None)
        return True

"""Running the items of a map one after another, each answered by itself."""

from __future__ import annotations

import marshal
from time import perf_counter

from poolifier.exchange import DONE, FAILED, MAP_FAILED, MAPPED, RETURNED
from poolifier.worker.invoke import run_plain
from poolifier.worker.registry import Entry
from poolifier.worker.runs import run_together
from poolifier.worker.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["HOLD", "is_chunk", "run_chunk"]

HOLD = 0.0005
"""Seconds that a reply is held back at most while others follow."""

_TOGETHER = 7


def is_chunk(task: tuple[Any, ...]) -> bool:
    """Whether a task stands for the items of a map."""
    return len(task) == _TOGETHER or (len(task) == 6 and type(task[5]) is list)


def run_chunk(session: Session, task: tuple[Any, ...], entry: Entry, begin: float) -> float:
    """Runs the items in order; returns when the last one ended.

    Where the pool wants back what has not started, the items that are left are among it. Where it wants
    the task to stop, no further item runs.
    """
    session.cut = False
    sequence, name, _, task_id = task[:4]
    together = len(task) == _TOGETHER
    if together:
        items = marshal.loads(task[6])
        at, begin = run_together(session, task, items, entry, begin)
        items = items[at:]
    else:
        items = task[5]
    left = len(items)
    now = sent = begin
    for item in items:
        left -= 1
        done, failed = (MAPPED, MAP_FAILED) if left else (DONE, FAILED)
        if together or type(item) is not tuple:
            now = run_plain(session, (sequence, name, item, task_id), entry, now, done, failed)
        elif len(item) == 1:
            now = run_plain(session, (sequence, name, None, task_id, None, item[0]), entry, now, done, failed)
        else:
            session.reply((sequence, failed, None, 0.0, item[1]))
        if session.aborted == sequence:
            break
        if session.cut and left:
            session.reply((sequence, RETURNED, None, 0.0))
            break
        if now - sent > HOLD:
            session.flush()
            now = sent = perf_counter()
    return now

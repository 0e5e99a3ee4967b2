"""Errors of tasks that have run too long: each waits a moment for where its task stands.

That is told by the worker, and a time limit is not to be late for it: past a few hundredths of a second the error does
without. Tasks that end in time have no part in it.
"""

from __future__ import annotations

import os
import traceback
from asyncio import TimerHandle
from typing import TYPE_CHECKING, Final, TypeAlias

from poolifier.error_attributes import is_a
from poolifier.errors import TaskTimeoutError
from poolifier.wire.scripts.sources import line_of

if TYPE_CHECKING:
    from poolifier.pool.driver import Driver
    from poolifier.scheduler.task import Task

__all__ = ["TimeOuts", "stack_text"]

_PATIENCE: Final = 0.04
"""Seconds that an error waits for the stack: with the event loop's own delays a limit is to be 50 ms late at most."""

_OURS: Final = tuple(f"{os.sep}poolifier{os.sep}{room}{os.sep}" for room in ("backends", "wire", "worker"))
"""Parts of the paths of files that run tasks, whose calls are not the task's. Workers may be on other machines."""

Frames: TypeAlias = list[tuple[str, int, str]]


class TimeOuts:
    """The tasks of one pool whose time is up and whose callers have yet to be told."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._waiting: dict[tuple[int, int], tuple[Task, BaseException, TimerHandle]] = {}

    def begin(self, task: Task, error: BaseException, worker_id: int, sequence: int) -> None:
        """The time of a task is up, and it will be told to stop as soon as this has returned."""
        driver = self._driver
        channel = driver.channels.get(worker_id)
        # Those of others may have been written before there was such a question.
        ask = getattr(channel, "stack_of", None)
        frames = [] if ask is None else ask(sequence)
        if frames is not None:
            self._fail(task, error, frames)
            return
        key = (worker_id, sequence)
        timer = driver.loop.call_later(_PATIENCE, self.told, worker_id, sequence, [])
        self._waiting[key] = (task, error, timer)

    def told(self, worker_id: int, sequence: int, frames: Frames) -> None:
        """A worker has told where a task stands. It may tell what nobody waits for."""
        waiting = self._waiting.pop((worker_id, sequence), None)
        if waiting is None:
            return
        task, error, timer = waiting
        timer.cancel()
        self._fail(task, error, frames)

    def close(self) -> None:
        """The pool has ended: nothing more is told."""
        for worker_id, sequence in list(self._waiting):
            self.told(worker_id, sequence, [])

    def _fail(self, task: Task, error: BaseException, frames: Frames) -> None:
        text = stack_text(frames, task.function.name)
        if text and is_a(error, TaskTimeoutError):
            error.stack = text
            error.add_note(f"The task stood at (most recent call last):\n{text}")
        self._driver.fail(task, error)


def stack_text(frames: Frames, function: str) -> str:
    """The calls of a task as a traceback shows them; empty where nothing is known."""
    own: Frames = []
    begun = False
    # From the innermost: what tells where it stands runs on top of the task, and what runs the task lies below it.
    for frame in reversed(frames):
        if not any(part in frame[0] for part in _OURS):
            own.insert(0, frame)
        elif own:
            begun = True
            break
    if own and (begun or own == frames):
        told = [(*frame, line_of(*frame)) for frame in own]
        return "".join(traceback.StackSummary.from_list(told).format())
    return f"  in {function!r}, which is not written in Python\n" if frames else ""

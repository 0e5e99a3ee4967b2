"""Runs plain code of tasks in the thread of an event loop as if there were none.

A worker that holds an `async def` runs its plain functions in the thread of its event loop, one at a time, between
two turns of it. To their code there is no running loop, as in a worker that holds plain functions only. So
`asyncio.run`, and libraries that call it, work in a plain function on every worker, whatever else that holds and has
run; and nothing that is meant to be awaited in the worker's loop is made there by mistake.

These are the functions that asyncio documents for those who implement event loops and tasks. Called by the worker's own
code, where no abort is raised.
"""

from __future__ import annotations

import asyncio
from asyncio import _enter_task, _leave_task, _set_running_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    ResultT = TypeVar("ResultT")

__all__ = ["enter_loop", "leave_loop", "step_outside"]


def leave_loop() -> None:
    """From here on no event loop runs, as far as the calling thread can tell. In a callback, and not in a task."""
    _set_running_loop(None)


def enter_loop(loop: asyncio.AbstractEventLoop) -> None:
    """From here on it runs again."""
    _set_running_loop(loop)


def step_outside(loop: asyncio.AbstractEventLoop, code: Callable[[], ResultT]) -> ResultT:
    """Runs code of a task that has no loop, in the middle of an asyncio task."""
    task = asyncio.current_task(loop)
    if task is None:
        raise RuntimeError("there is no asyncio task to step out of")
    # Until Python 3.13 each loop has a current task; since 3.14 each thread has one.
    _leave_task(loop, task)
    _set_running_loop(None)
    try:
        return code()
    finally:
        _set_running_loop(loop)
        _enter_task(loop, task)

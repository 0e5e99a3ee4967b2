"""Where a task of a worker thread stands, seen from another thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolifier.backends import stacks
from poolifier.worker.standing import coroutine_frames

if TYPE_CHECKING:
    from poolifier.backends.thread.worker import ThreadWorker

__all__ = ["frames_of_task"]


def frames_of_task(worker: ThreadWorker, sequence: int) -> list[tuple[str, int, str]]:
    """Where that task stands: (file, line, function) for each call, the outermost first; empty where it is not known.

    Where this process has other interpreters, a thread's stack cannot be looked at unless it told beforehand what it is
    found by (see `stacks`).
    """
    stream = worker.streams.get(sequence)
    suspended = coroutine_frames(None if stream is None else stream.source)
    if suspended:
        # What drives its generator is none of the task's.
        return suspended
    task = worker.task
    if task is not None and task[0] == sequence:
        frames = stacks.calls(worker.ident, worker.stack)
        # It may have ended meanwhile, and the thread be in another one.
        return frames if worker.task is task else []
    running = worker.running.get(sequence)
    if running is None or running.task is None:
        return []
    # Nothing where it runs at this very moment, or blocks the event loop.
    return coroutine_frames(running.task.get_coro()) or stacks.calls(worker.ident, worker.stack)

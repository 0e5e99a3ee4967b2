"""The loop of a worker that holds plain functions only: read, run, write. Never imports asyncio.

Replies are held back and travel together, but never so long that anyone would notice: they are sent
before the worker waits, before it starts a task that may take long, when half a millisecond has
passed since the last time, and when the pool pokes.
"""

from __future__ import annotations

from time import perf_counter

from poolifier.worker.additions import load_function
from poolifier.worker.chunks import is_chunk, run_chunk
from poolifier.worker.invoke import refusal, run_plain
from poolifier.worker.ledger import STARTED
from poolifier.worker.outbox import HOLD
from poolifier.worker.session import Session
from poolifier.worker.streams import run_stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

__all__ = ["SLOW", "run_blocking"]

SLOW: Final = 0.0002
"""Mean run time in seconds from which a function does not start with replies held back."""


def run_blocking(session: Session) -> bool:
    """Serves until the pool says stop, or adds a function that needs an event loop. True for the latter."""
    inbox = session.inbox
    popleft = inbox.popleft
    outbox = session.outbox
    find = session.registry.plain.get
    task: tuple[Any, ...]
    now = sent = perf_counter()
    while True:
        if not inbox:
            session.flush()
            if session.stopping:
                return False
            # However long the wait is, the last task's data is not kept for it.
            task = session.task = ()
            session.stay_awake()
            waited = perf_counter()
            received = session.link.receive()
            now = sent = perf_counter()
            session.idle += now - waited
            session.dispatch(received)
            received.clear()
            continue
        task = popleft()
        entry = find(task[1])
        if entry is None:
            if not task[0]:
                load_function(session, task)
                if session.registry.has_async:
                    return True
                continue
            entry = session.registry.entries.get(task[1])
            error = refusal(session, task, entry)
            if error is not None or entry is None:
                session.ledger.slots[STARTED] = task[0]
                session.reply_error(task[0], session.registry.unknown(task[1]) if error is None else error, 0.0)
                continue
            session.flush()
            now = sent = run_stream(session, task, entry, perf_counter())
            continue
        if outbox.count and (entry.mean > SLOW or now - sent > HOLD):
            session.flush()
            now = sent = perf_counter()
        now = run_chunk(session, task, entry, now) if is_chunk(task) else run_plain(session, task, entry, now)

"""The loop of a worker that holds plain functions only: read, run, write. Never imports asyncio.

Replies are held back and travel together, but never so long that anyone would notice: they are sent
before the worker waits, before it starts a task that may take long, when half a millisecond has
passed since the last time, and when the pool pokes.
"""

from __future__ import annotations

from time import perf_counter
from typing import Final

from poolifier.worker.invoke import refusal, run_plain
from poolifier.worker.ledger import STARTED
from poolifier.worker.session import Session

__all__ = ["HOLD", "SLOW", "run_blocking"]

HOLD: Final = 0.0005
"""Seconds that a reply is held back at most while others follow."""

SLOW: Final = 0.0002
"""Mean run time in seconds from which a function does not start with replies held back."""


def run_blocking(session: Session) -> None:
    """Serves until the pool says stop."""
    inbox = session.inbox
    popleft = inbox.popleft
    outbox = session.outbox
    plain = {name: entry for name, entry in session.registry.entries.items() if entry.kind == "plain"}
    find = plain.get
    now = sent = perf_counter()
    while True:
        if not inbox:
            session.flush()
            if session.stopping:
                return
            waited = perf_counter()
            received = session.link.receive()
            now = sent = perf_counter()
            session.idle += now - waited
            session.dispatch(received)
            continue
        task = popleft()
        entry = find(task[1])
        if entry is None:
            session.ledger.slots[STARTED] = task[0]
            error = refusal(session, task, session.registry.entries.get(task[1]))
            if error is not None:
                session.reply_error(task[0], error, 0.0)
            continue
        if outbox.count and (entry.mean > SLOW or now - sent > HOLD):
            session.flush()
            now = sent = perf_counter()
        now = run_plain(session, task, entry, now)

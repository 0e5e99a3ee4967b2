"""Running the tiny items of a map, with as little as can be around each.

Their results go into the outbox as a run. What has to be done for every item is to let the pool interrupt it, and
to write its result where it outlives this worker before the next item begins. All else is done for a *group* of
items, of which there are the more the less they take. So is the clock read: an item that takes a few microseconds
is timed by itself, and one that takes less has the mean of its group.
"""

from __future__ import annotations

from time import perf_counter

from poolifier.exchange import MAP_FAILED, MAPPED, RETURNED
from poolifier.wire.codec import encode_result
from poolifier.wire.flat import is_flat, is_inline
from poolifier.worker.invoke import SMOOTHING, fail, leave_fork
from poolifier.worker.ledger import STARTED
from poolifier.worker.outbox import MOST_GROUPS
from poolifier.worker.registry import NEVER_RUN, Entry
from poolifier.worker.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, TypeAlias

    Apart: TypeAlias = tuple[Any, Any, BaseException | None]

__all__ = ["GROUP_SECONDS", "HOLD_RUN", "MOST_IN_GROUP", "run_together"]

GROUP_SECONDS: Final = 0.0001
"""What a group of items is meant to take at the most."""

MOST_IN_GROUP: Final = 256
"""Items of a group at the most."""

HOLD_RUN: Final = 0.002
"""Seconds that results are held back at most while others follow. A chunk is meant to take twice as long."""

_OUTLIER: Final = 4
"""How many times as long as expected a group has to take for one of its items to be held the cause."""


def run_together(
    session: Session, task: tuple[Any, ...], items: list[Any], entry: Entry, now: float
) -> tuple[int, float]:
    """Runs all items but the last, in order, for as long as their results go into a run.

    Returns how many have been answered, and when the last of those ended. All have been where the pool wants the
    task to stop, or wants back what is left of it.
    """
    sequence, name, _, task_id = task[:4]
    outbox = session.outbox
    session.ledger.slots[STARTED] = sequence
    session.task = (sequence, name, None, task_id)
    outbox.run.mixed = False
    at, most = 0, len(items) - 1
    size = _size(entry)
    sent = now
    while at < most:
        if not outbox.run.open and not outbox.begin_run(sequence):
            session.flush()
            continue
        group = items[at : min(at + size, most)]
        count, apart = _run_group(session, sequence, group, entry)
        begun, now = now, perf_counter()
        at += count
        if apart is None:
            size = _book(session, entry, count, now - begun)
        else:
            at += 1
            size = _size(entry)
            now = _answer_apart(session, sequence, apart, entry, begun + outbox.untimed(count, now - begun), now)
            if session.aborted == sequence:
                return len(items), now
            if session.cut:
                session.reply((sequence, RETURNED, None, 0.0))
                return len(items), now
            if apart[1] is not None:
                # Nor will the next ones, most likely.
                break
        if now - sent > HOLD_RUN or len(outbox.counts) >= MOST_GROUPS:
            session.flush()
            now = sent = perf_counter()
    # Not what has been done since for all of them.
    return at, perf_counter()


def _run_group(session: Session, sequence: int, group: list[Any], entry: Entry) -> tuple[int, Apart | None]:
    """Runs items, whose results go into the run.

    Returns how many, and `(value, payload, error)` of the one that came after them where it cannot go in there.
    """
    function, bare = entry.function, entry.bare
    put = session.outbox.run.put
    count = 0
    payload = None
    # Two handlers, for the same reason as in `run_plain`.
    try:
        try:
            for item in group:
                session.current = sequence
                if session.poked:
                    session.serve()
                value = function() if bare and item is None else function(item)
                session.current = 0
                if put(value):
                    count += 1
                    continue
                # Unless there is no room, or it was sent while the item ran, or this is a child that was forked off.
                if not is_inline(value) and not is_flat(value):
                    session.current = sequence
                    if session.poked:
                        session.serve()
                    payload = encode_result(entry.name, value, pack=session.pack)
                    session.current = 0
                return count, (value, payload, None)
        except BaseException as error:  # noqa: BLE001 - whatever it raises, it is the item's own
            session.current = 0
            return count, (None, None, error)
    except BaseException as error:  # noqa: BLE001
        session.current = 0
        return count, (None, None, error)
    return count, None


def _book(session: Session, entry: Entry, count: int, seconds: float) -> int:
    """Notes what the items of a group have taken; returns how many are to be in the next."""
    outbox = session.outbox
    expected = outbox.typical * count
    mean = seconds / count
    if count > 1 and seconds > max(_OUTLIER * expected, GROUP_SECONDS):
        outbox.add_group(count - 1, expected - outbox.typical)
        outbox.add_group(1, seconds - expected + outbox.typical)
    else:
        outbox.add_group(count, seconds)
        outbox.typical = mean
    known = entry.mean
    entry.mean = mean if known == NEVER_RUN else mean + (known - mean) * (1 - SMOOTHING) ** count
    if seconds > GROUP_SECONDS:
        return max(1, int(count * GROUP_SECONDS / seconds))
    return min(2 * count, MOST_IN_GROUP) if 2 * seconds < GROUP_SECONDS else count


def _size(entry: Entry) -> int:
    """How many items are to be in the first group."""
    return max(1, min(MOST_IN_GROUP, int(GROUP_SECONDS / 2 / entry.mean)))


def _answer_apart(session: Session, sequence: int, apart: Apart, entry: Entry, begin: float, end: float) -> float:
    """Answers an item whose result cannot go into the run, or that has none; returns when it ended."""
    value, payload, error = apart
    if error is not None:
        return fail(session, sequence, entry, error, begin, MAP_FAILED)
    if session.forked:
        leave_fork(None)
    session.reply_result(sequence, value, end - begin, payload, MAPPED)
    return end

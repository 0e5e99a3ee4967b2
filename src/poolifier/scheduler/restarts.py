"""When a worker may be started after starts that failed, and which slots cannot get one. Decides only.

Only starts that fail count. A worker that has begun a task has shown that it can be started, so what it dies of
later is that task's affair: a request that ends its worker must never be able to end the pool.
"""

from __future__ import annotations

from math import inf
from typing import Final

FIRST_BACK_OFF: Final = 0.05
"""Seconds between the second failed start of a row and the third; doubled each time after."""

LONGEST_BACK_OFF: Final = 30.0
"""Seconds after which a start is tried again at the latest, however many have failed."""

LONGEST_ONCE_READY: Final = 1.0
"""The same where the worker had got ready, and died before it had begun a task: a moment longer and it would have been
of use, so the next is worth trying soon. It is long enough to keep the machine from doing nothing else."""

_DOUBLINGS: Final = 10
"""After so many the longest back-off is reached; 2.0 to the power of a count without bound would overflow."""

_SETTLED: Final = 10.0
"""Seconds for which a worker has to be ready to have been started well, where no limit says so."""


class FailedStarts:
    """A row of starts that failed in one slot, with none that succeeded in between.

    Attributes:
        count: How many.
        first_at: When the first of them failed.
        last_at: When the last of them failed.
        error: What the last of them failed with.
        longest: How long the next is put off at most.
    """

    __slots__ = ("count", "error", "first_at", "last_at", "longest")

    def __init__(self, now: float, error: BaseException) -> None:
        self.count: int = 0
        self.first_at: float = now
        self.last_at: float = now
        self.error: BaseException = error
        self.longest: float = LONGEST_BACK_OFF


class Restarts:
    """Counts the failed starts of every slot.

    After the first of a row the slot is tried again at once, after the n-th `0.05 * 2 ** (n - 2)` seconds later,
    and 30 s later at most. A slot *has failed* after more of them than the limit allows, or once only failed ones
    have come for so many seconds; without a limit it never has. It is tried again all the same.

    Attributes:
        failed: The slots that have failed, each with its row.
        rows: The same, and the slots in which fewer starts have failed since the last that was a good one.
    """

    __slots__ = ("_most", "_seconds", "failed", "rows")

    def __init__(self, limit: tuple[int, float] | None) -> None:
        self._most: float = inf if limit is None else limit[0]
        self._seconds: float = inf if limit is None else limit[1]
        self.rows: dict[int, FailedStarts] = {}
        self.failed: dict[int, FailedStarts] = {}

    def count(self, slot: int, error: BaseException, now: float, *, was_ready: bool = False) -> None:
        """A start has failed, or turns out to have failed although the worker was ready."""
        row = self.rows.get(slot)
        if row is None:
            row = self.rows[slot] = FailedStarts(now, error)
        row.count += 1
        row.last_at = now
        row.error = error
        row.longest = LONGEST_ONCE_READY if was_ready else LONGEST_BACK_OFF

    def judge(self, slot: int) -> bool:
        """Returns whether the slot has failed, from now on too."""
        row = self.rows.get(slot)
        if row is None or not self._is_past(row):
            return False
        self.failed[slot] = row
        return True

    def hopeless(self, slots: frozenset[int] | None) -> bool:
        """Whether all of these slots have failed, so that nothing is to wait for a worker in them."""
        failed = self.failed
        return bool(failed) and slots is not None and all(slot in failed for slot in slots)

    def ready(self, slot: int) -> None:
        """A worker is ready in the slot. Its start may still turn out to have failed: see `succeeded`."""
        self.failed.pop(slot, None)

    def succeeded(self, slot: int) -> None:
        """The last start in the slot was a good one: what fails from now on begins a new row."""
        self.rows.pop(slot, None)
        self.failed.pop(slot, None)

    def settled(self, seconds: float) -> bool:
        """Whether a worker that has been ready for so long was started well, although it has not begun any task."""
        return seconds >= (_SETTLED if self._seconds == inf else self._seconds)

    def delay(self, slot: int, now: float) -> float:
        """Seconds from now until a worker may start in the slot."""
        row = self.rows.get(slot)
        if row is None or row.count < 2:
            return 0.0
        at = row.last_at + min(row.longest, FIRST_BACK_OFF * 2.0 ** min(row.count - 2, _DOUBLINGS))
        if not self._is_past(row):
            # Whoever waits is to know after so many seconds, so one more is tried then and not later.
            at = min(at, row.first_at + self._seconds)
        return max(0.0, at - now)

    def _is_past(self, row: FailedStarts) -> bool:
        return row.count > self._most or row.last_at - row.first_at >= self._seconds

    def forget(self) -> None:
        """Begins anew."""
        self.rows.clear()
        self.failed.clear()

"""The memory that a worker process shares with its pool: marks that survive the worker's death.

One page of numbers, then the outbox (see `outbox`), then what is written as rows (see `run`). Aligned
eight-byte stores are single instructions, so neither side ever reads half a number.
"""

from __future__ import annotations

import mmap
import os
import sys

from poolifier.wire.sealing import sealed_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = [
    "ABORT",
    "COUNT",
    "DUMPS",
    "DUMP_END",
    "DUMP_START",
    "ENDING",
    "FORM_LENGTH",
    "FORM_START",
    "GENERATION",
    "LEAVE",
    "LENGTH",
    "LOADING",
    "OUTBOX_END",
    "OUTBOX_START",
    "ROWS_END",
    "ROWS_START",
    "RUN_AFTER",
    "RUN_END",
    "RUN_NANOSECONDS",
    "RUN_SEQUENCE",
    "RUN_START",
    "SIZE",
    "STARTED",
    "Ledger",
    "create_ledger",
]

STARTED: Final = 0
"""Written by the worker: sequence of the last task it started."""
ABORT: Final = 1
"""Written by the pool: sequence of the task that it last asked to abort."""
GENERATION: Final = 2
"""Written by the worker: number of the frame that the outbox is to become."""
COUNT: Final = 3
"""Written by the worker: replies that stand in the outbox and have not been sent."""
LENGTH: Final = 4
"""Written by the worker: bytes that they take."""

LOADING: Final = 5
"""Written by the worker: 1 while it loads a task function that was added at run time, else 0."""

LEAVE: Final = 6
"""Written by the pool, where it cannot end the worker from outside: 1 once that is to start nothing any more."""

RUN_SEQUENCE: Final = 7
"""Written by the worker: the chunk whose results are being written as a run (see `outbox`)."""
RUN_AFTER: Final = 8
"""Written by the worker: replies that stood in the outbox before the run. Where there are more, it is among them."""
RUN_START: Final = 9
"""Written by the worker: where in the memory the first result of the run stands."""
RUN_END: Final = 10
"""Written by the worker: where the last one ends; less than the start where there is none."""
RUN_NANOSECONDS: Final = 11
"""Written by the worker: how long the items of the run took, as far as that has been measured."""
FORM_LENGTH: Final = 12
"""Written by the worker: bytes that the form of the run takes, where that is written as rows, else 0."""

DUMPS: Final = 13
"""Written by the worker: the signal that makes it write where it stands, or 0 (see `standing`)."""
ENDING: Final = 14
"""Written by the worker: 1 once it does what is to be done at the end of a process, such as to wait for threads."""

OUTBOX_START: Final = 4096
OUTBOX_END: Final = OUTBOX_START + 64 * 1024

FORM_START: Final = OUTBOX_END
"""Where the form of a run stands that is written as rows (see `wire.rows`)."""
ROWS_START: Final = FORM_START + 1024
ROWS_END: Final = ROWS_START + 16 * 1024

DUMP_START: Final = ROWS_END
"""Where the worker writes where it stands, as text."""
DUMP_END: Final = DUMP_START + 16 * 1024

SIZE: Final = DUMP_END


def create_ledger() -> int:
    """Makes the memory; returns a descriptor of it that the caller closes.

    Raises:
        OSError: The system has no room for it.
    """
    if hasattr(os, "memfd_create"):
        return sealed_file("poolifier", SIZE)
    import tempfile

    fd, path = tempfile.mkstemp(prefix="poolifier-")
    os.unlink(path)  # noqa: PTH108 - pathlib would be one more import in every worker
    try:
        os.ftruncate(fd, SIZE)
    except OSError:
        os.close(fd)
        raise
    return fd


class Ledger:
    """One side's view of the memory behind a descriptor, which it does not keep by itself.

    Attributes:
        slots: The page of numbers; index it with the constants of this module.
        outbox: The bytes of the outbox.
        memory: All of it. To write to this is faster than to write to a view.
        integers: All of it as numbers of eight bytes.
        floats: All of it as such that have a fraction.
        dumps_fd: The descriptor, where a worker keeps it to write where it stands; otherwise -1.
    """

    __slots__ = ("_whole", "dumps_fd", "floats", "integers", "memory", "outbox", "slots")

    def __init__(self, fd: int) -> None:
        self.dumps_fd: int = -1
        self.memory: mmap.mmap = _mapped(fd)
        self._whole = memoryview(self.memory)
        self.slots: memoryview[int] = self._whole[:OUTBOX_START].cast("Q")
        self.outbox: memoryview[int] = self._whole[OUTBOX_START:OUTBOX_END]
        self.integers: memoryview[int] = self._whole.cast("q")
        self.floats: memoryview[float] = self._whole.cast("d")

    def close(self) -> None:
        """Unmaps it; the views are of no use any more."""
        self.slots.release()
        self.outbox.release()
        self.integers.release()
        self.floats.release()
        self._whole.release()
        self.memory.close()


def _mapped(fd: int) -> mmap.mmap:
    if sys.version_info >= (3, 13):
        # Spares one descriptor per worker.
        return mmap.mmap(fd, SIZE, trackfd=False)
    return mmap.mmap(fd, SIZE)

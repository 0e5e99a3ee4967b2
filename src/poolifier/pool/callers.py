"""What the callers of tasks gave, and what they wait for: by the numbers of the tasks, which have nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from poolifier.scheduler.task import Task

__all__ = ["Callers"]

_PAGE_BITS: Final = 9
_PAGE: Final = 1 << _PAGE_BITS

_FEW: Final = 64
"""Pages that were let go of may always have so many places in the list, and more where as many are still there."""


class _Page:
    """What the callers of tasks that were numbered one after another gave and wait for, each in a place of its own."""

    __slots__ = ("data", "futures", "present")

    def __init__(self) -> None:
        self.data: list[Any] = [None] * _PAGE
        self.futures: list[Any] = [None] * _PAGE
        self.present: int = 0


class Callers:
    """The data and the future of each task that has not ended: see `Task` for why it has neither.

    A future may be a `Chunk` or a `Feed` as well, which are told like one. A page of them is let go of with its last
    caller, so memory follows those who are there.

    What is let go of may be the last of something of the user's, whose `__del__` may come back here at once, and so may
    those that the garbage collector finds where a page is made. So neither comes before all is as it should be.
    """

    __slots__ = ("_gone", "_holes", "_last", "_long", "_pages")

    def __init__(self) -> None:
        # Numbers begin with 1.
        self._last = 0
        self._pages: list[_Page | None] = [_Page()]
        # Pages that are not in the list any more, all of them older than those that are.
        self._gone = 0
        # Pages in the list that were let go of.
        self._holes = 0
        # Those of callers who stay for so long that the list would grow and grow, by their place among all pages.
        self._long: dict[int, _Page] = {}

    def __len__(self) -> int:
        """How many callers there are. O(pages)."""
        return sum(page.present for page in (*self._pages, *self._long.values()) if page is not None)

    def admit(self, data: Any, future: Any) -> int:
        """Takes a caller in; returns the number for its task, which no other task of the pool has. O(1)."""
        if (self._last + 1) >> _PAGE_BITS == self._gone + len(self._pages):
            self._turn_over()
        page = self._pages[-1]
        assert page is not None
        number = self._last = self._last + 1
        place = number & (_PAGE - 1)
        page.data[place] = data
        page.futures[place] = future
        page.present += 1
        return number

    def data(self, task: Task) -> Any:
        """What the caller gave. The caller must not have left."""
        number = task.id
        at = (number >> _PAGE_BITS) - self._gone
        page = self._pages[at] if at >= 0 else self._long[number >> _PAGE_BITS]
        assert page is not None
        return page.data[number & (_PAGE - 1)]

    def future(self, task: Task) -> Any:
        """What the caller waits for, or None where it has left."""
        number = task.id
        at = (number >> _PAGE_BITS) - self._gone
        page = self._pages[at] if at >= 0 else self._long.get(number >> _PAGE_BITS)
        return None if page is None else page.futures[number & (_PAGE - 1)]

    def leave(self, task: Task) -> Any:
        """Lets the caller go, and returns what it waits for; None where it has left before. O(1) amortised."""
        number = task.id
        at = (number >> _PAGE_BITS) - self._gone
        page = self._pages[at] if at >= 0 else self._long.get(number >> _PAGE_BITS)
        if page is None:
            return None
        place = number & (_PAGE - 1)
        future = page.futures[place]
        if future is not None:
            page.futures[place] = None
            page.present -= 1
            if not page.present:
                if at < 0:
                    del self._long[number >> _PAGE_BITS]
                elif at < len(self._pages) - 1:
                    self._let_go(at)
            page.data[place] = None
        return future

    def _turn_over(self) -> None:
        page = _Page()
        pages = self._pages
        if (self._last + 1) >> _PAGE_BITS != self._gone + len(pages):
            return  # Meanwhile one was added.
        pages.append(page)
        before = pages[-2]
        if before is not None and not before.present:
            self._let_go(len(pages) - 2)

    def _let_go(self, at: int) -> None:
        pages = self._pages
        pages[at] = None
        self._holes += 1
        if at == 0:
            leading = 1
            while pages[leading] is None:
                leading += 1
            del pages[:leading]
            self._gone += leading
            self._holes -= leading
        elif self._holes > _FEW and 2 * self._holes > len(pages):
            self._set_apart()

    def _set_apart(self) -> None:
        """Those who stay much longer than others are found otherwise, and the list begins anew. O(pages)."""
        pages = self._pages
        last = len(pages) - 1
        for at in range(last):
            page = pages[at]
            if page is not None:
                self._long[self._gone + at] = page
        del pages[:last]
        self._gone += last
        self._holes = 0
